import { createServer } from 'node:net';

// Below the range from which systems pick the local port of an outgoing connection (Linux: from 32768): a port in that range could be
// taken by somebody's connection while its server is down for a moment.
const FIRST_PORT = 13_000;
const LAST_PORT = 32_000;
const MAX_TRIES = 1_000;

export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries === MAX_TRIES)
      throw new Error(`no ${count} free ports between ${FIRST_PORT} and ${LAST_PORT} on 127.0.0.1`);
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (await isPortFree(port)) ports.add(port);
  }
  return [...ports];
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
