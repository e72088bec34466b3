import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Stands between a client and a server, and can become a broken network. */
export interface Relay extends Address {
  /** Nothing goes through any more, and nobody is told: connections stay open, and new ones are taken. */
  cut(): void;
  /** What was held back goes on. */
  mend(): void;
}

export interface OpenRelay extends Relay {
  close(): void;
}

/** Wherever tests run in vitest, `startRelay` of `relay.ts` closes it by itself. */
export async function openRelay(to: Address): Promise<OpenRelay> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const relay = createServer((client) => {
    const server = connect({ host: to.host, port: to.port });
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => into.write(chunk));
      from.on('error', () => {});
      from.on('end', () => into.end());
      from.on('close', () => {
        sockets.delete(from);
        if (!isCut) into.destroy();
      });
      if (isCut) from.pause();
    }
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const address = relay.address();
  if (typeof address !== 'object' || address === null) throw new Error('the relay has no port');
  return {
    host: '127.0.0.1',
    port: address.port,
    cut: () => {
      isCut = true;
      for (const socket of sockets) socket.pause();
    },
    mend: () => {
      isCut = false;
      for (const socket of sockets) socket.resume();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      relay.close();
    },
  };
}
