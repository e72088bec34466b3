import { afterAll } from 'vitest';
import { launchMariadb, type MariadbServer } from './mariadbd.js';

const running: MariadbServer[] = [];
afterAll(async () => {
  await Promise.all(running.splice(0).map(async (server) => server.stop()));
});

/** One that ends with the test file. What is asked for is what {@link launchMariadb} asks for. */
export async function startMariadb(options: readonly string[], statements: readonly string[]): Promise<MariadbServer> {
  const server = await launchMariadb(options, statements);
  running.push(server);
  return server;
}
