import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Stands between a client and a server, and can become a broken network. */
export interface Relay extends Address {
  /**
   * Nothing goes through any more, and nobody is told: connections stay open, and new ones are taken.
   * @param whose only of the users that it says so of; one that has not told its name yet is heard so far
   */
  cut(whose?: (user: string) => boolean): void;
  /** What was held back goes on. */
  mend(): void;
}

export interface OpenRelay extends Relay {
  close(): void;
}

/** In a login without TLS the user's name follows the header of its packet and 32 bytes, and ends with a 0. */
const NAME_AT = 4 + 32;

interface Pair {
  readonly sockets: readonly Socket[];
  /** Undefined until it is told. */
  user: string | undefined;
}

/** Wherever tests run in vitest, `startRelay` of `relay.ts` closes it by itself. */
export async function openRelay(to: Address): Promise<OpenRelay> {
  const pairs = new Set<Pair>();
  let isCut: (pair: Pair) => boolean = () => false;
  const pauseIfCut = (pair: Pair): void => {
    if (isCut(pair)) for (const socket of pair.sockets) socket.pause();
  };
  const relay = createServer((client) => {
    const server = connect({ host: to.host, port: to.port });
    const pair: Pair = { sockets: [client, server], user: undefined };
    pairs.add(pair);
    client.once('data', (login) => {
      pair.user = login.toString('latin1', NAME_AT, Math.max(NAME_AT, login.indexOf(0, NAME_AT)));
      pauseIfCut(pair);
    });
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (chunk) => into.write(chunk));
      from.on('error', () => {});
      from.on('end', () => into.end());
      from.on('close', () => {
        if (isCut(pair)) return;
        pairs.delete(pair);
        into.destroy();
      });
    }
    pauseIfCut(pair);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const address = relay.address();
  if (typeof address !== 'object' || address === null) throw new Error('the relay has no port');
  return {
    host: '127.0.0.1',
    port: address.port,
    cut: (whose) => {
      isCut = ({ user }) => whose === undefined || (user !== undefined && whose(user));
      for (const pair of pairs) pauseIfCut(pair);
    },
    mend: () => {
      isCut = () => false;
      for (const { sockets } of pairs) for (const socket of sockets) socket.resume();
    },
    close: () => {
      for (const { sockets } of pairs) for (const socket of sockets) socket.destroy();
      relay.close();
    },
  };
}
