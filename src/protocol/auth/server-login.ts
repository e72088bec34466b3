import { RwsplitError, LoginRefused } from '../../errors.js';
import { demandsTls, type TlsMode } from '../tls-mode.js';
import {
  ANSWER_FORMAT_FLAGS,
  Capability,
  COMPRESSION_FLAGS,
  DIALECT_FLAGS,
  hasCapability,
  SERVER_CONNECTION_FLAGS,
} from '../capabilities.js';
import type { CompressionAlgorithm } from '../compression/codec.js';
import { MalformedPacket } from '../malformed-packet.js';
import { decodeAuthSwitchRequest } from '../packets/auth-switch-request.js';
import { decodeErr } from '../packets/err.js';
import { decodeHandshakeV10, type HandshakeV10 } from '../packets/handshake-v10.js';
import { encodeHandshakeResponse } from '../packets/handshake-response.js';
import {
  CACHING_SHA2,
  encryptPassword,
  FAST_AUTH_OK,
  PERFORM_FULL_AUTH,
  REQUEST_PUBLIC_KEY,
  scramble,
} from './caching-sha2.js';
import { CLEAR_PASSWORD, encodeClearPassword } from './clear-password.js';
import { ED25519, ED25519_NONCE_BYTES, signEd25519 } from './ed25519.js';
import type { Password } from './password.js';
import { NATIVE_PASSWORD, nativeScramble } from './native-password.js';
import { answerParsec, decodeParsecSalt, PARSEC, PARSEC_NONCE_BYTES } from './parsec.js';
import { encodeSslRequest } from '../packets/ssl-request.js';

/** The forerunner of caching_sha2_password, deprecated; servers also ask unknown users for it, to hide that they are unknown. */
const SHA256 = 'sha256_password';
const SHA256_REQUEST_PUBLIC_KEY = 0x01;
const PLUGINS: ReadonlySet<string> = new Set([CACHING_SHA2, NATIVE_PASSWORD, SHA256, CLEAR_PASSWORD, ED25519, PARSEC]);

/** The longest packet that we take from a server, as it is told: MySQL's own bound. */
const MAX_PACKET_BYTES = 0x40000000;

/** With what a connection logs in to a server. */
export interface ServerLoginOptions {
  readonly user: string;
  readonly password: Password;
  /** Of the client: those in `DIALECT_FLAGS` are asked for. */
  readonly capabilities: number;
  /** The client's collation id; a login has room for its low byte only. */
  readonly collation: number;
  /** As `encodeConnectionAttributes` makes them. */
  readonly attributes: Buffer;
  readonly tls: TlsMode;
  /** What may be sent compressed with, the one that is liked best first; empty for not at all. */
  readonly compression: readonly CompressionAlgorithm[];
}

export type LoginStep =
  | { readonly kind: 'send'; readonly payload: Buffer }
  | { readonly kind: 'wait' }
  /** What takes a little to be computed; nothing is read before it is there. */
  | { readonly kind: 'later'; readonly payload: Promise<Buffer> }
  /** Send the payload, put TLS under the stream, then go on with {@link ServerLogin.secured}. */
  | { readonly kind: 'start-tls'; readonly payload: Buffer }
  | {
      readonly kind: 'logged-in';
      readonly greeting: HandshakeV10;
      readonly capabilities: number;
      /** What all that follows is compressed with. */
      readonly compression: CompressionAlgorithm | undefined;
    }
  | { readonly kind: 'failed'; readonly error: LoginRefused | RwsplitError };

/**
 * Our side of logging in to a server: takes the server's packets one by one and says what to do.
 *
 * ```
 *  greeting ──► [start-tls] ──► authenticating ◄─► AuthSwitchRequest, AuthMoreData ──► OK: logged-in
 *      └────────────┴────────────────┴──────────────────────────────────────────────► ERR: failed
 * ```
 */
export class ServerLogin {
  readonly #options: ServerLoginOptions;
  #greeting: HandshakeV10 | undefined;
  #capabilities = 0;
  #plugin = CACHING_SHA2;
  #nonce: Buffer = Buffer.alloc(0);
  #awaitsKey = false;
  #awaitsSalt = false;
  #secure = false;
  #compression: CompressionAlgorithm | undefined;

  constructor(options: ServerLoginOptions) {
    this.#options = options;
  }

  /** @param payload of the next packet from the server */
  step(payload: Buffer): LoginStep {
    if (payload[0] === 0xff) {
      const error = decodeErr(payload);
      return error instanceof MalformedPacket ? malformed(error) : { kind: 'failed', error: new LoginRefused(error) };
    }
    if (this.#greeting === undefined) return this.#greet(payload);
    switch (payload[0]) {
      case 0x00:
        return {
          kind: 'logged-in',
          greeting: this.#greeting,
          capabilities: this.#capabilities,
          compression: this.#compression,
        };
      case 0xfe:
        return this.#switch(payload);
      case 0x01:
        return this.#moreData(payload.subarray(1));
      default:
        // Not all of MariaDB's versions wrap it.
        return this.#awaitsSalt ? this.#salted(payload) : malformed(new MalformedPacket('an answer to the login'));
    }
  }

  /** TLS is under the stream. */
  secured(): LoginStep {
    this.#secure = true;
    return this.#greeting === undefined
      ? malformed(new MalformedPacket('HandshakeV10'))
      : this.#respond(this.#greeting);
  }

  #greet(payload: Buffer): LoginStep {
    const greeting = decodeHandshakeV10(payload);
    if (greeting instanceof MalformedPacket) return malformed(greeting);
    const { capabilities, collation, tls, compression } = this.#options;
    const wanted = capabilities & DIALECT_FLAGS;
    if ((wanted & ANSWER_FORMAT_FLAGS & ~greeting.capabilities) !== 0) return missesFormat(greeting);
    this.#greeting = greeting;
    this.#capabilities = ((SERVER_CONNECTION_FLAGS | wanted) & greeting.capabilities) >>> 0;
    this.#compression = compression.find((it) => hasCapability(greeting.capabilities, COMPRESSION_FLAGS[it]));
    if (this.#compression !== undefined) this.#capabilities |= COMPRESSION_FLAGS[this.#compression];
    this.#plugin = greeting.authPlugin === NATIVE_PASSWORD ? NATIVE_PASSWORD : CACHING_SHA2;
    this.#nonce = greeting.nonce;
    if (tls === 'off') return this.#respond(greeting);
    if (hasCapability(greeting.capabilities, Capability.SSL)) {
      this.#capabilities = (this.#capabilities | Capability.SSL) >>> 0;
      return {
        kind: 'start-tls',
        payload: encodeSslRequest(this.#capabilities, MAX_PACKET_BYTES, collation & 0xff),
      };
    }
    return demandsTls(tls) ? lacksTls(tls) : this.#respond(greeting);
  }

  #respond(greeting: HandshakeV10): LoginStep {
    const { user, collation, attributes } = this.#options;
    return {
      kind: 'send',
      payload: encodeHandshakeResponse({
        capabilities: (this.#capabilities & ~Capability.CONNECT_WITH_DB) >>> 0,
        maxPacketBytes: MAX_PACKET_BYTES,
        collation: collation & 0xff,
        user,
        authResponse: greeting.authPlugin === CLEAR_PASSWORD ? Buffer.alloc(0) : this.#answer(),
        database: '',
        authPlugin: this.#plugin,
        attributes,
      }),
    };
  }

  #answer(): Buffer {
    const { password } = this.#options;
    switch (this.#plugin) {
      case NATIVE_PASSWORD:
        return nativeScramble(password, this.#nonce);
      case SHA256:
        if (password.length === 0) return Buffer.from([0]);
        if (this.#secure) return encodeClearPassword(password);
        this.#awaitsKey = true;
        return Buffer.from([SHA256_REQUEST_PUBLIC_KEY]);
      case CLEAR_PASSWORD:
        return encodeClearPassword(password);
      default:
        return scramble(password, this.#nonce);
    }
  }

  #switch(payload: Buffer): LoginStep {
    const request = decodeAuthSwitchRequest(payload);
    if (request instanceof MalformedPacket) return malformed(request);
    if (!PLUGINS.has(request.plugin)) {
      return {
        kind: 'failed',
        error: new RwsplitError(
          'auth-plugin',
          `the account '${this.#options.user}' uses ${request.plugin}, which rwsplit cannot speak yet; ` +
            `${[...PLUGINS].join(', ')} work`,
        ),
      };
    }
    if (request.plugin === CLEAR_PASSWORD && !this.#secure) {
      const what =
        `the account '${this.#options.user}' uses ${CLEAR_PASSWORD}, which would show its password to anybody on the way; ` +
        'let the server offer TLS, and do not turn TLS to servers off';
      return { kind: 'failed', error: new RwsplitError('auth-plugin', what) };
    }
    this.#plugin = request.plugin;
    this.#nonce = Buffer.from(request.nonce);
    this.#awaitsKey = false;
    this.#awaitsSalt = false;
    if (this.#plugin === ED25519) return this.#sign();
    if (this.#plugin === PARSEC) return this.#askForSalt();
    return { kind: 'send', payload: this.#answer() };
  }

  #sign(): LoginStep {
    if (this.#nonce.length !== ED25519_NONCE_BYTES) return malformed(new MalformedPacket('AuthSwitchRequest'));
    return { kind: 'later', payload: signEd25519(this.#options.password, this.#nonce) };
  }

  #askForSalt(): LoginStep {
    if (this.#nonce.length !== PARSEC_NONCE_BYTES) return malformed(new MalformedPacket('AuthSwitchRequest'));
    this.#awaitsSalt = true;
    return { kind: 'send', payload: Buffer.alloc(0) };
  }

  #salted(payload: Buffer): LoginStep {
    this.#awaitsSalt = false;
    const salt = decodeParsecSalt(payload);
    if (salt instanceof MalformedPacket) return malformed(salt);
    return { kind: 'later', payload: answerParsec(this.#options.password, this.#nonce, salt) };
  }

  #moreData(data: Buffer): LoginStep {
    if (this.#awaitsSalt) return this.#salted(data);
    if (this.#awaitsKey) {
      this.#awaitsKey = false;
      return this.#encrypted(data);
    }
    switch (data[0]) {
      case FAST_AUTH_OK:
        return { kind: 'wait' };
      case PERFORM_FULL_AUTH:
        if (this.#secure) return { kind: 'send', payload: encodeClearPassword(this.#options.password) };
        this.#awaitsKey = true;
        return { kind: 'send', payload: Buffer.from([REQUEST_PUBLIC_KEY]) };
      default:
        return malformed(new MalformedPacket('AuthMoreData'));
    }
  }

  /** @param key as it came: whatever a server, or somebody in its place, sent */
  #encrypted(key: Buffer): LoginStep {
    try {
      return { kind: 'send', payload: encryptPassword(this.#options.password, this.#nonce, key) };
    } catch {
      return malformed(new MalformedPacket('public key that the password can be encrypted with'));
    }
  }
}

function missesFormat({ serverVersion }: HandshakeV10): LoginStep {
  const what = `a server of version ${serverVersion} cannot answer in the form that was agreed on with the client; connect again`;
  return { kind: 'failed', error: new RwsplitError('answer-format', what) };
}

function lacksTls(mode: TlsMode): LoginStep {
  const what = `the server offers no TLS, and tls to servers is '${mode}': set up TLS there, or set 'preferred'`;
  return { kind: 'failed', error: new RwsplitError('tls-required', what) };
}

function malformed(packet: MalformedPacket): LoginStep {
  return {
    kind: 'failed',
    error: new RwsplitError('malformed-packet', `the server's answer to the login is no ${packet.expected}`),
  };
}
