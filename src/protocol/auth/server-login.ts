import { RwsplitError, LoginRefused } from '../../errors.js';
import { Capability, DIALECT_FLAGS, SERVER_CONNECTION_FLAGS } from '../capabilities.js';
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
import { NATIVE_PASSWORD, nativeScramble } from './native-password.js';

/** The forerunner of caching_sha2_password, deprecated; servers also ask unknown users for it, to hide that they are unknown. */
const SHA256 = 'sha256_password';
const SHA256_REQUEST_PUBLIC_KEY = 0x01;
const PLUGINS: ReadonlySet<string> = new Set([CACHING_SHA2, NATIVE_PASSWORD, SHA256]);

/** With what a connection logs in to a server. */
export interface ServerLoginOptions {
  readonly user: string;
  readonly password: string;
  /** Of the client: those in `DIALECT_FLAGS` are asked for. */
  readonly capabilities: number;
  /** The low byte of the client's collation id. */
  readonly collation: number;
  /** As `encodeConnectionAttributes` makes them. */
  readonly attributes: Buffer;
}

export type LoginStep =
  | { readonly kind: 'send'; readonly payload: Buffer }
  | { readonly kind: 'wait' }
  | { readonly kind: 'logged-in'; readonly greeting: HandshakeV10; readonly capabilities: number }
  | { readonly kind: 'failed'; readonly error: LoginRefused | RwsplitError };

/**
 * Our side of logging in to a server: takes the server's packets one by one and says what to do.
 *
 * ```
 *  greeting ──► authenticating ◄─► AuthSwitchRequest, AuthMoreData ──► OK: logged-in
 *      └─────────────┴──────────────────────────────────────────────► ERR: failed
 * ```
 */
export class ServerLogin {
  readonly #options: ServerLoginOptions;
  #greeting: HandshakeV10 | undefined;
  #capabilities = 0;
  #plugin = CACHING_SHA2;
  #nonce: Buffer = Buffer.alloc(0);
  #awaitsKey = false;

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
        return { kind: 'logged-in', greeting: this.#greeting, capabilities: this.#capabilities };
      case 0xfe:
        return this.#switch(payload);
      case 0x01:
        return this.#moreData(payload.subarray(1));
      default:
        return malformed(new MalformedPacket('an answer to the login'));
    }
  }

  #greet(payload: Buffer): LoginStep {
    const greeting = decodeHandshakeV10(payload);
    if (greeting instanceof MalformedPacket) return malformed(greeting);
    this.#greeting = greeting;
    const wanted = SERVER_CONNECTION_FLAGS | (this.#options.capabilities & DIALECT_FLAGS);
    this.#capabilities = (wanted & greeting.capabilities) >>> 0;
    this.#plugin = greeting.authPlugin === NATIVE_PASSWORD ? NATIVE_PASSWORD : CACHING_SHA2;
    this.#nonce = greeting.nonce;
    return {
      kind: 'send',
      payload: encodeHandshakeResponse({
        capabilities: (this.#capabilities & ~Capability.CONNECT_WITH_DB) >>> 0,
        maxPacketBytes: 0x40000000,
        collation: this.#options.collation,
        user: this.#options.user,
        authResponse: this.#answer(),
        database: '',
        authPlugin: this.#plugin,
        attributes: this.#options.attributes,
      }),
    };
  }

  #answer(): Buffer {
    const { password } = this.#options;
    switch (this.#plugin) {
      case NATIVE_PASSWORD:
        return nativeScramble(password, this.#nonce);
      case SHA256:
        if (password === '') return Buffer.from([0]);
        this.#awaitsKey = true;
        return Buffer.from([SHA256_REQUEST_PUBLIC_KEY]);
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
    this.#plugin = request.plugin;
    this.#nonce = Buffer.from(request.nonce);
    return { kind: 'send', payload: this.#answer() };
  }

  #moreData(data: Buffer): LoginStep {
    if (this.#awaitsKey) {
      this.#awaitsKey = false;
      return this.#encrypted(data);
    }
    switch (data[0]) {
      case FAST_AUTH_OK:
        return { kind: 'wait' };
      case PERFORM_FULL_AUTH:
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

function malformed(packet: MalformedPacket): LoginStep {
  return {
    kind: 'failed',
    error: new RwsplitError('malformed-packet', `the server's answer to the login is no ${packet.expected}`),
  };
}
