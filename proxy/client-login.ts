import { randomInt, type KeyObject } from 'node:crypto';
import {
  CACHING_SHA2,
  decryptPassword,
  FAST_AUTH_OK,
  PERFORM_FULL_AUTH,
  REQUEST_PUBLIC_KEY,
} from '../src/protocol/auth/caching-sha2.js';
import { CLEAR_PASSWORD, decodeClearPassword } from '../src/protocol/auth/clear-password.js';
import { NATIVE_PASSWORD } from '../src/protocol/auth/native-password.js';
import { Capability, hasCapability } from '../src/protocol/capabilities.js';
import { MalformedPacket } from '../src/protocol/malformed-packet.js';
import { encodeAuthMoreData } from '../src/protocol/packets/auth-more-data.js';
import { encodeAuthSwitchRequest } from '../src/protocol/packets/auth-switch-request.js';
import { decodeChangeUser } from '../src/protocol/packets/change-user.js';
import { NONCE_BYTES } from '../src/protocol/packets/handshake-v10.js';
import { decodeHandshakeResponse, type HandshakeResponse } from '../src/protocol/packets/handshake-response.js';

/** The key with which clients without TLS hide their passwords. */
export interface RsaKey {
  readonly privateKey: KeyObject;
  readonly publicPem: Buffer;
}

export type ClientLoginStep =
  | { readonly kind: 'send'; readonly payload: Buffer }
  /** The client proved that it knows the password that we have. `prelude` goes before the OK. */
  | { readonly kind: 'proved'; readonly response: HandshakeResponse; readonly prelude: Buffer | undefined }
  /** The client told its password: a server has to say whether it is right. */
  | { readonly kind: 'password'; readonly response: HandshakeResponse; readonly password: Buffer }
  /** The client knows no way to log in that we can check. */
  | { readonly kind: 'unable'; readonly user: string }
  | { readonly kind: 'malformed' };

/** How a client can show that it knows a user's password, without telling it. */
export type ProofPlugin = typeof CACHING_SHA2 | typeof NATIVE_PASSWORD;

/** Passwords that are known, to check proofs by. */
export interface Proofs {
  /** Whether the user's password is known, so that {@link prove} may say yes. */
  knows(user: string): boolean;
  /** Whether the answer to the nonce was made from the user's password. */
  prove(plugin: ProofPlugin, user: string, answer: Buffer, nonce: Buffer): boolean;
}

/**
 * A client's login, from our greeting on, or its COM_CHANGE_USER: takes the client's packets one by one and says what to do.
 *
 * ```
 *  response ──► [switch to caching_sha2_password] ──► proof ── right ──► proved
 *     │                                                 └── not known ──► full: the password, by TLS or RSA ──► password
 *     ├── mysql_native_password, right ──► proved
 *     └── mysql_clear_password, over TLS ──► password
 * ```
 */
export class ClientLogin {
  readonly nonce: Buffer;
  readonly #key: RsaKey;
  readonly #proofs: Proofs;
  readonly #preferred: ProofPlugin;
  /** TLS, or a socket that does not leave the machine: passwords may come as they are. */
  secure: boolean;
  #response: HandshakeResponse | undefined;
  #state: 'response' | 'switched' | 'switched-native' | 'full' = 'response';

  /**
   * @param preferred which proof is asked for first, of users whose password is known
   * @param nonce of the greeting, for a COM_CHANGE_USER on the same connection
   */
  constructor(key: RsaKey, proofs: Proofs, secure: boolean, preferred: ProofPlugin, nonce = makeNonce()) {
    this.nonce = nonce;
    this.#key = key;
    this.#proofs = proofs;
    this.secure = secure;
    this.#preferred = preferred;
  }

  /** The user that asks to log in, once it is known. */
  get user(): string | undefined {
    return this.#response?.user;
  }

  step(payload: Buffer): ClientLoginStep {
    const response = this.#response;
    if (response === undefined) {
      const decoded = decodeHandshakeResponse(payload);
      return decoded instanceof MalformedPacket ? { kind: 'malformed' } : this.#begin(decoded);
    }
    switch (this.#state) {
      case 'switched':
        return this.#proof(response, Buffer.from(payload));
      case 'switched-native':
        return this.#nativeProof(response, Buffer.from(payload)) ?? this.#switch(CACHING_SHA2);
      case 'full':
        return this.#full(response, payload);
      case 'response':
        return { kind: 'malformed' };
    }
  }

  /** @param current of the session that ends: what it agreed on stays */
  changeUser(payload: Buffer, current: HandshakeResponse): ClientLoginStep {
    const decoded = decodeChangeUser(payload, current);
    if (decoded instanceof MalformedPacket) return { kind: 'malformed' };
    // Clients leave their answer out here, whatever their password is, and wait to be asked, as servers do.
    if (decoded.authPlugin !== CACHING_SHA2) return this.#begin(decoded);
    this.#response = decoded;
    return this.#switch(CACHING_SHA2);
  }

  #begin(response: HandshakeResponse): ClientLoginStep {
    this.#response = response;
    const { authPlugin, authResponse, capabilities, user } = response;
    if (authPlugin === CLEAR_PASSWORD && this.secure) {
      const password = decodeClearPassword(authResponse);
      if (password !== undefined) return { kind: 'password', response, password };
    }
    if (authPlugin === CACHING_SHA2) return this.#proof(response, authResponse);
    const switches = hasCapability(capabilities, Capability.PLUGIN_AUTH);
    const native = authPlugin === NATIVE_PASSWORD || (!switches && authPlugin === '');
    const proved = native ? this.#nativeProof(response, authResponse) : undefined;
    if (proved !== undefined) return proved;
    // Before plugins, clients knew one way only.
    if (!switches) return { kind: 'unable', user };
    return this.#switch(
      this.#preferred === NATIVE_PASSWORD && this.#proofs.knows(user) ? NATIVE_PASSWORD : CACHING_SHA2,
    );
  }

  #switch(plugin: ProofPlugin): ClientLoginStep {
    this.#state = plugin === CACHING_SHA2 ? 'switched' : 'switched-native';
    return { kind: 'send', payload: encodeAuthSwitchRequest({ plugin, nonce: this.nonce }) };
  }

  #nativeProof(response: HandshakeResponse, answer: Buffer): ClientLoginStep | undefined {
    if (answer.length === 0) return { kind: 'password', response, password: answer };
    return this.#proofs.prove(NATIVE_PASSWORD, response.user, answer, this.nonce)
      ? { kind: 'proved', response, prelude: undefined }
      : undefined;
  }

  #proof(response: HandshakeResponse, answer: Buffer): ClientLoginStep {
    // An empty password is sent as nothing, by some clients as a single NUL.
    if (answer.length === 0 || (answer.length === 1 && answer[0] === 0)) {
      return { kind: 'password', response, password: Buffer.alloc(0) };
    }
    if (this.#proofs.prove(CACHING_SHA2, response.user, answer, this.nonce)) {
      return { kind: 'proved', response, prelude: encodeAuthMoreData(Buffer.from([FAST_AUTH_OK])) };
    }
    this.#state = 'full';
    return { kind: 'send', payload: encodeAuthMoreData(Buffer.from([PERFORM_FULL_AUTH])) };
  }

  #full(response: HandshakeResponse, payload: Buffer): ClientLoginStep {
    if (payload.length === 1 && payload[0] === REQUEST_PUBLIC_KEY) {
      return { kind: 'send', payload: encodeAuthMoreData(this.#key.publicPem) };
    }
    const password = this.secure
      ? decodeClearPassword(payload)
      : decryptPassword(payload, this.nonce, this.#key.privateKey);
    return password === undefined ? { kind: 'malformed' } : { kind: 'password', response, password };
  }
}

/** Twenty bytes that are no NUL and, as servers do it, no `$`: it ends fields in stored passwords. */
function makeNonce(): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  for (let i = 0; i < NONCE_BYTES; i++) {
    let byte = 0;
    while (byte === 0 || byte === 0x24) byte = randomInt(1, 128);
    nonce[i] = byte;
  }
  return nonce;
}
