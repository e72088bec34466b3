import { createPrivateKey, pbkdf2, randomBytes, sign } from 'node:crypto';
import { MalformedPacket } from '../malformed-packet.js';
import { passwordBytes, type Password } from './password.js';

/**
 * `parsec` of MariaDB since 11.6, the client's side.
 * Source: MariaDB's documentation, "Authentication Plugin - PARSEC".
 *
 * ```
 *  server ── nonce, 32 bytes ──────────────────────────────────────────────────► client
 *         ◄── nothing: it wants the salt ──
 *         ── 'P', n, salt: the key is PBKDF2(password, salt, 1024 × 2ⁿ) ──────►
 *         ◄── a nonce of its own, and the Ed25519 signature of both nonces ──
 * ```
 */
export const PARSEC = 'parsec';

export const PARSEC_NONCE_BYTES = 32;

/** How a key is made of the password. */
export interface ParsecSalt {
  readonly iterations: number;
  readonly salt: Buffer;
}

/** The only one that there is: PBKDF2 with HMAC-SHA-512. */
const PBKDF2 = 0x50;
/** About a second of one thread; servers ask for 0 unless they are told to. What a false one asks for must not keep us busy. */
const MAX_FACTOR = 10;
const SALT_BYTES = 18;
const KEY_BYTES = 32;
/** What stands before the bytes of an Ed25519 key in PKCS #8. Source: RFC 8410, 7. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export function decodeParsecSalt(payload: Buffer): ParsecSalt | MalformedPacket {
  const [algorithm, factor = MAX_FACTOR + 1] = payload;
  const salt = Buffer.from(payload.subarray(2));
  if (algorithm !== PBKDF2 || factor > MAX_FACTOR || salt.length !== SALT_BYTES)
    return new MalformedPacket('parsec salt');
  return { iterations: 1024 << factor, salt };
}

/** @param ownNonce any 32 bytes that nobody can foresee @returns the 96 bytes of the answer */
export async function answerParsec(
  password: Password,
  nonce: Uint8Array,
  { iterations, salt }: ParsecSalt,
  ownNonce: Uint8Array = randomBytes(PARSEC_NONCE_BYTES),
): Promise<Buffer> {
  const seed = await new Promise<Buffer>((resolve, reject) => {
    pbkdf2(passwordBytes(password), salt, iterations, KEY_BYTES, 'sha512', (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  return Buffer.concat([ownNonce, sign(null, Buffer.concat([nonce, ownNonce]), key)]);
}
