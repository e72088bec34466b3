import { lstatSync, unlinkSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where clients connect: over TCP, or a Unix socket. */
export type ListenAddress =
  | { readonly host: string; readonly port: number }
  | {
      /** Of the socket's file. */
      readonly path: string;
    };

/** As MySQL's own socket: who may open it, the directory's rights say. */
const SOCKET_MODE = 0o777;
const PROBE_TIMEOUT_MS = 1_000;

export function isUnixSocket(address: ListenAddress): address is { readonly path: string } {
  return 'path' in address;
}

export function textOfAddress(address: ListenAddress): string {
  if (isUnixSocket(address)) return address.path;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** @throws Error where there is none */
export function firstTcp(addresses: readonly ListenAddress[]): { readonly host: string; readonly port: number } {
  for (const address of addresses) if (!isUnixSocket(address)) return address;
  throw new Error('no address is a TCP one');
}

/** Listens on some addresses. */
export class Listeners {
  readonly #servers: Server[] = [];
  readonly #accept: (socket: Socket, via: ListenAddress) => void;

  constructor(accept: (socket: Socket, via: ListenAddress) => void) {
    this.#accept = accept;
  }

  /** @returns the address as it is, where any free port was asked for. @throws Error with one clear sentence */
  async listen(address: ListenAddress): Promise<ListenAddress> {
    const unix = isUnixSocket(address);
    if (unix) await removeStaleSocket(address.path);
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket, address));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(address, resolve);
      });
    } catch (error) {
      throw new Error(explain(address, error), { cause: error });
    }
    this.#servers.push(server);
    if (unix) {
      await chmod(address.path, SOCKET_MODE);
      return address;
    }
    const bound = server.address();
    return { host: address.host, port: typeof bound === 'object' && bound !== null ? bound.port : address.port };
  }

  /** Takes no more clients. Those that are there stay. */
  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }
}

function explain(address: ListenAddress, error: unknown): string {
  const where = textOfAddress(address);
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    ? `${where} is in use by another program; stop it, or choose another address with --listen`
    : `cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`;
}

/** A process that was killed leaves its socket's file behind. One that somebody listens on, or that is no socket, is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isSocket() === true && !(await isListenedOn(path))) unlinkSync(path);
}

async function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path, timeout: PROBE_TIMEOUT_MS });
    const answer = (listened: boolean): void => {
      socket.destroy();
      resolve(listened);
    };
    socket.on('connect', () => answer(true));
    socket.on('timeout', () => answer(true));
    socket.on('error', (error) => answer(!('code' in error && error.code === 'ECONNREFUSED')));
  });
}
