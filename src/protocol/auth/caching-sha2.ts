import { constants, createHash, privateDecrypt, publicEncrypt, timingSafeEqual, type KeyObject } from 'node:crypto';
import { decodeClearPassword, encodeClearPassword } from './clear-password.js';
import { passwordBytes, type Password } from './password.js';

/**
 * `caching_sha2_password`, both sides.
 * Source: MySQL's protocol documentation, "Caching SHA-2 pluggable authentication".
 *
 * ```
 *  fast:  client ── SHA256(pw) XOR SHA256(SHA256(SHA256(pw)) + nonce) ──► server that has the verifier SHA256(SHA256(pw))
 *  full:  client ── password over TLS, or RSA-OAEP(password XOR nonce) ──► server
 * ```
 */
export const CACHING_SHA2 = 'caching_sha2_password';

/** First byte after AuthMoreData's header. */
export const FAST_AUTH_OK = 0x03;
export const PERFORM_FULL_AUTH = 0x04;
/** What a client sends when it wants the server's public key. */
export const REQUEST_PUBLIC_KEY = 0x02;

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function xor(left: Uint8Array, right: Uint8Array): Buffer {
  return Buffer.from(left.map((byte, i) => byte ^ (right[i % right.length] ?? 0)));
}

/** @returns what is kept to check fast logins: SHA256(SHA256(password)), 32 bytes */
export function verifierOf(password: Password): Buffer {
  return sha256(sha256(passwordBytes(password)));
}

/** @returns a client's 32-byte answer to the nonce; empty for an empty password */
export function scramble(password: Password, nonce: Uint8Array): Buffer {
  if (password.length === 0) return Buffer.alloc(0);
  return xor(sha256(passwordBytes(password)), sha256(verifierOf(password), nonce));
}

/** @returns whether `answer` was made from the password that `verifier` was made from */
export function scrambleMatches(answer: Uint8Array, nonce: Uint8Array, verifier: Buffer): boolean {
  if (answer.length !== 32) return false;
  return timingSafeEqual(sha256(xor(answer, sha256(verifier, nonce))), verifier);
}

/** @returns the password for the wire, encrypted so that only the holder of the private key reads it */
export function encryptPassword(password: Password, nonce: Uint8Array, publicKeyPem: Buffer): Buffer {
  const terminated = encodeClearPassword(password);
  return publicEncrypt({ key: publicKeyPem, padding: constants.RSA_PKCS1_OAEP_PADDING }, xor(terminated, nonce));
}

/** @returns the password, or undefined when `encrypted` was not made for this key */
export function decryptPassword(encrypted: Buffer, nonce: Uint8Array, privateKey: KeyObject): Buffer | undefined {
  try {
    const padded = privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING }, encrypted);
    return decodeClearPassword(xor(padded, nonce));
  } catch {
    return undefined;
  }
}
