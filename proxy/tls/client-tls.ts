import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { TlsFiles } from '../../src/runtime/tls/tls-files.js';
import { verifiesPeer, type TlsMode } from '../../src/protocol/tls-mode.js';

type Done = (outcome: TLSSocket | Error) => void;

/**
 * TLS to clients, begun in the middle of a connection. Sessions are resumed by tickets, so that a client's next handshake is a short one.
 */
export class ClientTls {
  readonly mode: TlsMode;
  readonly #server: Server;
  readonly #files: TlsFiles;
  /** Handshakes under way, by the two ends of their connection. */
  readonly #underWay = new Map<string, Done>();

  constructor(mode: TlsMode, files: TlsFiles) {
    this.mode = mode;
    this.#files = files;
    this.#server = this.#makeServer();
    this.#server.on('secureConnection', (socket) => this.#ended(socket, socket));
    this.#server.on('tlsClientError', (error, socket) => this.#ended(socket, error));
    files.onReload = ({ options }) => this.#server.setSecureContext(options);
  }

  /**
   * Begins TLS as the server of a client.
   * @param done gets the socket with TLS on it when the handshake is through, or why it failed; never called when `socket` closes before
   */
  accept(socket: Socket, done: Done): void {
    if (socket.remoteAddress === undefined) {
      this.#acceptAlone(socket, done);
      return;
    }
    const ends = endsOf(socket);
    this.#underWay.set(ends, done);
    socket.once('close', () => this.#underWay.delete(ends));
    this.#server.emit('connection', socket);
  }

  stop(): void {
    this.#files.stop();
  }

  /** The ends of a Unix socket's connections have no names to tell them apart by. */
  #acceptAlone(socket: Socket, done: Done): void {
    const server = this.#makeServer();
    server.setTicketKeys(this.#server.getTicketKeys());
    server.once('secureConnection', done);
    server.once('tlsClientError', done);
    server.emit('connection', socket);
  }

  /** It never listens: connections are given to it. */
  #makeServer(): Server {
    const verifies = verifiesPeer(this.mode);
    return createServer({ ...this.#files.material.options, requestCert: verifies, rejectUnauthorized: verifies });
  }

  #ended(socket: TLSSocket, outcome: TLSSocket | Error): void {
    const ends = endsOf(socket);
    const done = this.#underWay.get(ends);
    this.#underWay.delete(ends);
    done?.(outcome);
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress}/${remotePort}/${localAddress}/${localPort}`;
}

/** Whether a client's certificate is made out to the user: by its common name, or one of its alternative names. */
export function isCertificateOf(socket: TLSSocket, user: string): boolean {
  const { subject, subjectaltname } = socket.getPeerCertificate();
  // Without a certificate, Node gives an empty object.
  const names: readonly unknown[] = [subject?.CN].flat();
  const others = subjectaltname?.split(', ').map((name) => name.replace(/^\w+:/, '')) ?? [];
  return names.includes(user) || others.includes(user);
}
