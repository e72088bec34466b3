import { afterAll } from 'vitest';
import { openRelay, type Relay } from './open-relay.js';

const closing: (() => void)[] = [];
afterAll(() => {
  for (const close of closing.splice(0)) close();
});

/** Ends with the test file. */
export async function startRelay(to: { readonly host: string; readonly port: number }): Promise<Relay> {
  const relay = await openRelay(to);
  closing.push(() => relay.close());
  return relay;
}
