import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll } from 'vitest';

const relays: AnswerRelay[] = [];
afterAll(() => {
  for (const relay of relays.splice(0)) relay.close();
});

interface Wanted {
  readonly text: string;
  readonly reached: () => void;
}

/** Stands before a server that talks without TLS: what it answers to a statement can be held back for as long as a test wants. Ends with the test file. */
export class AnswerRelay {
  readonly #to: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held = new Set<Socket>();
  #wanted: Wanted | undefined;

  private constructor(to: { readonly host: string; readonly port: number }) {
    this.#to = to;
    this.#server = createServer((client) => this.#join(client)).listen(0, '127.0.0.1');
  }

  static async start(to: { readonly host: string; readonly port: number }): Promise<AnswerRelay> {
    const relay = new AnswerRelay(to);
    relays.push(relay);
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('the relay has no port');
    return address.port;
  }

  /** Resolves when a statement with that text was sent: it is executed, and whoever said it hears no more on that connection. */
  async holdAnswerTo(text: string): Promise<void> {
    return new Promise((reached) => {
      this.#wanted = { text, reached };
    });
  }

  /** What was held back goes on, and nothing more is held back. */
  release(): void {
    this.#wanted = undefined;
    for (const socket of this.#held) socket.resume();
    this.#held.clear();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #join(client: Socket): void {
    const server = connect(this.#to);
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('end', () => into.end());
      from.on('close', () => {
        this.#sockets.delete(from);
        if (!this.#held.has(from)) into.destroy();
      });
    }
    server.on('data', (chunk) => client.write(chunk));
    client.on('data', (chunk) => {
      if (this.#wanted !== undefined && chunk.includes(this.#wanted.text)) {
        this.#held.add(server);
        server.pause();
        this.#wanted.reached();
        this.#wanted = undefined;
      }
      server.write(chunk);
    });
  }
}
