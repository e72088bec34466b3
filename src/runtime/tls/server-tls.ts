import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { SslOptions } from 'mysql2';
import type { NodeAddress } from '../../topology/snapshot.js';
import type { TlsFiles } from './tls-files.js';
import { verifiesPeer, type TlsMode } from '../../protocol/tls-mode.js';

/** TLS to servers, with the sessions of earlier connections resumed. */
export class ServerTls {
  readonly mode: TlsMode;
  readonly #files: TlsFiles;
  /** The last session with each node: the next handshake there is a short one. */
  readonly #sessions = new Map<string, Buffer>();

  constructor(mode: TlsMode, files: TlsFiles) {
    this.mode = mode;
    this.#files = files;
  }

  /** The same for connections of mysql2. */
  get driverOptions(): SslOptions {
    return {
      ...this.#files.material.pem,
      rejectUnauthorized: verifiesPeer(this.mode),
      verifyIdentity: this.mode === 'verify-identity',
    };
  }

  stop(): void {
    this.#files.stop();
  }

  /** Begins TLS as the client of a server. @param done gets the socket with TLS on it, or why there is none */
  handshake(socket: Socket, node: NodeAddress, done: (outcome: TLSSocket | Error) => void): void {
    const session = this.#sessions.get(node.name);
    const secured = connect({
      socket,
      host: node.host,
      // A name, never an address, may be asked for.
      ...(isIP(node.host) === 0 ? { servername: node.host } : {}),
      secureContext: this.#files.material.context,
      rejectUnauthorized: verifiesPeer(this.mode),
      ...(this.mode === 'verify-identity' ? {} : { checkServerIdentity: () => undefined }),
      ...(session === undefined ? {} : { session }),
    });
    secured.on('session', (resumable: Buffer) => this.#sessions.set(node.name, resumable));
    secured.once('error', done);
    secured.once('secureConnect', () => {
      secured.off('error', done);
      done(secured);
    });
  }
}
