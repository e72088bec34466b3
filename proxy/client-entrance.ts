import type { TLSSocket } from 'node:tls';
import { LoginRefused, RwsplitError } from '../src/errors.js';
import {
  ANSWER_FORMAT_FLAGS,
  Capability,
  COMPRESSION_FLAGS,
  hasCapability,
  OFFERED_TO_CLIENTS,
} from '../src/protocol/capabilities.js';
import type { Codec, CompressionAlgorithm } from '../src/protocol/compression/codec.js';
import { payloadOf, type Message } from '../src/protocol/framing.js';
import { encodeHandshakeV10 } from '../src/protocol/packets/handshake-v10.js';
import type { ErrPacket } from '../src/protocol/packets/err.js';
import type { HandshakeResponse } from '../src/protocol/packets/handshake-response.js';
import { isSslRequest } from '../src/protocol/packets/ssl-request.js';
import { ServerStatus } from '../src/protocol/server-status.js';
import { demandsTls } from '../src/protocol/tls-mode.js';
import { freshState } from '../src/session/session-state.js';
import { codecOf } from '../src/runtime/compression.js';
import type { NodeAddress, Snapshot } from '../src/topology/snapshot.js';
import type { BackendGroup, Backends } from './backends.js';
import { ClientLogin, type ClientLoginStep, type ProofPlugin, type RsaKey } from './client-login.js';
import { retriedWhileAway } from './retried-while-away.js';
import { isCertificateOf, type ClientTls } from './tls/client-tls.js';
import type { ClientOrigin, Users } from './users.js';

/** How clients may come in. */
export interface EntranceSettings {
  readonly users: Users;
  readonly rsaKey: RsaKey;
  /** Undefined where TLS is off. */
  readonly tls: ClientTls | undefined;
  /** What clients may compress with. */
  readonly compression: readonly CompressionAlgorithm[];
  readonly authPlugin: ProofPlugin;
  /** That clients are told; the servers' own where it is undefined. */
  readonly serverVersion: string | undefined;
}

/** Whom an entrance is for. */
export interface EntranceHost {
  send(payload: Buffer, sequenceId: number): void;
  /** TLS begins with the next byte; then the entrance's `secured`. */
  startTls(): void;
  /** Nothing is read until `admitted` or `refused`. */
  checking(): void;
  admitted(entered: Entered): void;
  refused(error: unknown, sequenceId: number): void;
}

/** A client that may come in. */
export interface Entered {
  readonly response: HandshakeResponse;
  readonly group: BackendGroup;
  /** Of the OK that is still to be sent. */
  readonly sequenceId: number;
  /** What all that follows the OK is compressed with. */
  readonly codec: Codec | undefined;
}

/** A client's way in: from the greeting to its login, and again with each COM_CHANGE_USER. */
export class ClientEntrance {
  readonly #host: EntranceHost;
  readonly #settings: EntranceSettings;
  readonly #backends: Backends;
  readonly #snapshot: () => Snapshot;
  readonly #offered: number;
  #origin: ClientOrigin;
  #login: ClientLogin;
  #tlsSocket: TLSSocket | undefined;
  #changes = false;

  constructor(
    host: EntranceHost,
    settings: EntranceSettings,
    backends: Backends,
    snapshot: () => Snapshot,
    origin: ClientOrigin,
  ) {
    this.#host = host;
    this.#settings = settings;
    this.#backends = backends;
    this.#snapshot = snapshot;
    this.#origin = origin;
    this.#offered = offeredTo(settings, snapshot().capabilities);
    this.#login = new ClientLogin(settings.rsaKey, backends.accounts, origin.secure, settings.authPlugin);
  }

  get origin(): ClientOrigin {
    return this.#origin;
  }

  /** The client is somewhere else than its connection comes from. */
  comesFrom(address: string): void {
    this.#origin = { ...this.#origin, address };
  }

  greet(connectionId: number): void {
    const greeting = encodeHandshakeV10({
      serverVersion: this.#settings.serverVersion ?? this.#snapshot().serverVersion,
      connectionId,
      nonce: this.#login.nonce,
      capabilities: this.#offered,
      collation: 255,
      status: ServerStatus.AUTOCOMMIT,
      authPlugin: this.#settings.authPlugin,
    });
    this.#host.send(greeting, 0);
  }

  /** The client's next packet on its way in. */
  step(message: Message): void {
    const payload = payloadOf(message);
    if (this.#login.user === undefined && this.#tlsSocket === undefined && isSslRequest(payload)) {
      if (hasCapability(this.#offered, Capability.SSL)) this.#host.startTls();
      else this.#host.refused(new RwsplitError('malformed-packet', 'TLS was asked for, and not offered'), 2);
      return;
    }
    this.#act(this.#login.step(payload), message.nextSequenceId);
  }

  secured(socket: TLSSocket): void {
    this.#tlsSocket = socket;
    this.#origin = { ...this.#origin, secure: true };
    this.#login.secure = true;
  }

  /** @param current of the session that ends with it */
  changeUser(message: Message, current: HandshakeResponse): void {
    this.#changes = true;
    const { rsaKey, authPlugin } = this.#settings;
    const { nonce, secure } = this.#login;
    this.#login = new ClientLogin(rsaKey, this.#backends.accounts, secure, authPlugin, nonce);
    this.#act(this.#login.changeUser(payloadOf(message), current), message.nextSequenceId);
  }

  #act(step: ClientLoginStep, sequenceId: number): void {
    switch (step.kind) {
      case 'send':
        this.#host.send(step.payload, sequenceId);
        return;
      case 'malformed':
        this.#refuse('malformed-packet', 'the login is not what the MySQL protocol has', sequenceId);
        return;
      case 'unable':
        this.#refuse(
          'auth-plugin',
          `the client can only log in by ways that need the password of '${step.user}' in rwsplit's configuration`,
          sequenceId,
        );
        return;
      case 'proved':
        if (step.prelude === undefined) this.#check(step.response, undefined, sequenceId);
        else {
          this.#host.send(step.prelude, sequenceId);
          this.#check(step.response, undefined, (sequenceId + 1) & 0xff);
        }
        return;
      case 'password':
        this.#check(step.response, step.password, sequenceId);
    }
  }

  #refuse(code: 'malformed-packet' | 'auth-plugin', what: string, sequenceId: number): void {
    this.#host.refused(new RwsplitError(code, what), sequenceId);
  }

  #check(asked: HandshakeResponse, password: Buffer | undefined, sequenceId: number): void {
    const response = { ...asked, capabilities: (asked.capabilities & this.#offered) >>> 0 };
    this.#host.checking();
    this.#enter(response, password).then(
      (group) => this.#host.admitted({ response, group, sequenceId, codec: this.#codecFor(response) }),
      (error: unknown) => this.#host.refused(error, sequenceId),
    );
  }

  async #enter(response: HandshakeResponse, password: Buffer | undefined): Promise<BackendGroup> {
    const { users, tls } = this.#settings;
    const { user, database } = response;
    if (tls !== undefined && demandsTls(tls.mode) && !this.#origin.secure) {
      throw new RwsplitError('tls-required', `connect with TLS: rwsplit is set to tls '${tls.mode}'`);
    }
    users.check(user, this.#origin);
    const shown = this.#tlsSocket;
    if (tls?.mode === 'verify-identity' && shown !== undefined && !isCertificateOf(shown, user)) {
      throw new RwsplitError('access-denied', `the client's certificate is not made out to '${user}'`);
    }
    const group = await this.#backends.logIn(response, password, this.#origin.address);
    if (database !== '') await retriedWhileAway(async () => enterSchema(group, database, this.#snapshot()));
    return group;
  }

  /** What was agreed on in the greeting stays: a COM_CHANGE_USER changes nothing of it. */
  #codecFor({ capabilities, zstdLevel }: HandshakeResponse): Codec | undefined {
    if (this.#changes) return undefined;
    const algorithm = this.#settings.compression.find((it) => hasCapability(capabilities, COMPRESSION_FLAGS[it]));
    return algorithm === undefined ? undefined : codecOf(algorithm, zstdLevel);
  }
}

/** What a client may turn on: nothing that one of the servers cannot do and an answer's form depends on. */
function offeredTo({ tls, compression }: EntranceSettings, ofServers: number): number {
  let offered = OFFERED_TO_CLIENTS & (ofServers | ~ANSWER_FORMAT_FLAGS);
  // On a Unix socket, too: it needs none, but a client may insist, as with servers.
  if (tls !== undefined) offered |= Capability.SSL;
  for (const algorithm of compression) offered |= COMPRESSION_FLAGS[algorithm];
  return offered >>> 0;
}

/** Whether the user may use the schema only a server can say. */
async function enterSchema(group: BackendGroup, database: string, snapshot: Snapshot): Promise<void> {
  const { primary, replicas, problem } = snapshot;
  const node = primary ?? replicas[0];
  if (node === undefined) throw new RwsplitError('no-primary', problem ?? 'no server can be reached');
  const pool = group.pool(node.address);
  const { idle, open, max } = pool.status;
  // A login does not wait for those who are at work.
  if (idle === 0 && open >= max) {
    await enterAside(group, database, node.address);
    return;
  }
  const connection = await pool.acquire(freshState(database));
  if (connection.state.schema === database) {
    pool.release(connection);
    return;
  }
  let error: ErrPacket | undefined;
  try {
    ({ error } = await connection.useSchema(database));
  } catch (lost) {
    // What is not given back counts as in use for ever.
    pool.destroy(connection);
    throw lost;
  }
  pool.release(connection);
  if (error !== undefined) throw new LoginRefused(error);
}

async function enterAside(group: BackendGroup, database: string, node: NodeAddress): Promise<void> {
  const connection = await group.openAside(node);
  const { error } = await connection.useSchema(database);
  connection.close();
  if (error !== undefined) throw new LoginRefused(error);
}
