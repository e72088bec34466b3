import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Before a real server: it can be cut off, and new connections to it can be made to take their time. */
export class HoldingRelay {
  readonly #to: Address;
  readonly #server: Server;
  readonly #through = new Set<Socket>();
  readonly #held: (() => void)[] = [];
  #state: 'open' | 'holding' | 'cut' = 'open';
  /** Connections that were tried. */
  attempts = 0;

  private constructor(to: Address) {
    this.#to = to;
    this.#server = createServer((socket) => this.#accept(socket)).listen(0, '127.0.0.1');
  }

  static async start(to: Address): Promise<HoldingRelay> {
    const relay = new HoldingRelay(to);
    await once(relay.#server, 'listening');
    return relay;
  }

  get address(): Address {
    const bound = this.#server.address();
    if (typeof bound !== 'object' || bound === null) throw new Error('no port');
    return { host: '127.0.0.1', port: bound.port };
  }

  /** New connections are made, and hear nothing. */
  holdNew(): void {
    this.#state = 'holding';
  }

  letNew(): void {
    this.#state = 'open';
    for (const join of this.#held.splice(0)) join();
  }

  /** All connections end, and so do new ones. */
  cut(): void {
    this.#state = 'cut';
    this.attempts = 0;
    for (const socket of this.#through) socket.destroy();
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }

  #accept(socket: Socket): void {
    this.attempts++;
    socket.on('error', () => {});
    if (this.#state === 'open') this.#join(socket);
    else if (this.#state === 'holding') this.#held.push(() => this.#join(socket));
    else socket.destroy();
  }

  #join(socket: Socket): void {
    const server = connect(this.#to);
    server.on('error', () => {});
    for (const [from, to] of [
      [socket, server],
      [server, socket],
    ] as const) {
      this.#through.add(from);
      from.pipe(to);
      from.on('close', () => to.destroy());
    }
  }
}
