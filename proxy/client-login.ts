import { randomInt, type KeyObject } from 'node:crypto';
import {
  CACHING_SHA2,
  decryptPassword,
  FAST_AUTH_OK,
  PERFORM_FULL_AUTH,
  REQUEST_PUBLIC_KEY,
} from '../src/protocol/auth/caching-sha2.js';
import { MalformedPacket } from '../src/protocol/malformed-packet.js';
import { encodeAuthMoreData } from '../src/protocol/packets/auth-more-data.js';
import { encodeAuthSwitchRequest } from '../src/protocol/packets/auth-switch-request.js';
import { NONCE_BYTES } from '../src/protocol/packets/handshake-v10.js';
import { decodeHandshakeResponse, type HandshakeResponse } from '../src/protocol/packets/handshake-response.js';

/** The key with which clients without TLS hide their passwords. */
export interface RsaKey {
  readonly privateKey: KeyObject;
  readonly publicPem: Buffer;
}

export type ClientLoginStep =
  | { readonly kind: 'send'; readonly payload: Buffer }
  /** The client proved that it knows a password that we have checked lately. */
  | { readonly kind: 'verified'; readonly response: HandshakeResponse; readonly prelude: Buffer }
  /** The client told its password: a server has to say whether it is right. */
  | { readonly kind: 'password'; readonly response: HandshakeResponse; readonly password: string }
  | { readonly kind: 'malformed' };

/** @returns whether the answer to the nonce was made from a password that was checked lately */
export type FastCheck = (user: string, answer: Buffer, nonce: Buffer) => boolean;

/**
 * A client's login, from our greeting on: takes the client's packets one by one and says what to do.
 *
 * ```
 *  response ──► [switch to caching_sha2_password] ──► fast answer known? ── yes ──► verified
 *                                                          └─ no ──► key ──► encrypted password ──► password
 * ```
 */
export class ClientLogin {
  readonly nonce = makeNonce();
  readonly #key: RsaKey;
  readonly #fastCheck: FastCheck;
  #response: HandshakeResponse | undefined;
  #state: 'response' | 'switched' | 'full' = 'response';

  constructor(key: RsaKey, fastCheck: FastCheck) {
    this.#key = key;
    this.#fastCheck = fastCheck;
  }

  /** The user that asks to log in, once it is known. */
  get user(): string | undefined {
    return this.#response?.user;
  }

  step(payload: Buffer): ClientLoginStep {
    switch (this.#state) {
      case 'response': {
        const response = decodeHandshakeResponse(payload);
        if (response instanceof MalformedPacket) return { kind: 'malformed' };
        this.#response = response;
        if (response.authPlugin === CACHING_SHA2) return this.#answered(response, response.authResponse);
        this.#state = 'switched';
        return { kind: 'send', payload: encodeAuthSwitchRequest({ plugin: CACHING_SHA2, nonce: this.nonce }) };
      }
      case 'switched':
        return this.#response === undefined
          ? { kind: 'malformed' }
          : this.#answered(this.#response, Buffer.from(payload));
      case 'full':
        return this.#full(payload);
    }
  }

  #answered(response: HandshakeResponse, answer: Buffer): ClientLoginStep {
    // An empty password is sent as nothing, by some clients as a single NUL.
    if (answer.length === 0 || (answer.length === 1 && answer[0] === 0)) {
      return { kind: 'password', response, password: '' };
    }
    if (this.#fastCheck(response.user, answer, this.nonce)) {
      return { kind: 'verified', response, prelude: encodeAuthMoreData(Buffer.from([FAST_AUTH_OK])) };
    }
    this.#state = 'full';
    return { kind: 'send', payload: encodeAuthMoreData(Buffer.from([PERFORM_FULL_AUTH])) };
  }

  #full(payload: Buffer): ClientLoginStep {
    if (payload.length === 1 && payload[0] === REQUEST_PUBLIC_KEY) {
      return { kind: 'send', payload: encodeAuthMoreData(this.#key.publicPem) };
    }
    const password = decryptPassword(payload, this.nonce, this.#key.privateKey);
    if (password === undefined || this.#response === undefined) return { kind: 'malformed' };
    return { kind: 'password', response: this.#response, password };
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
