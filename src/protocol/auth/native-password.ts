import { createHash, timingSafeEqual } from 'node:crypto';
import { passwordBytes, type Password } from './password.js';

/** `mysql_native_password`, both sides: for servers that still have accounts with it, and clients that know nothing newer. */
export const NATIVE_PASSWORD = 'mysql_native_password';

function sha1(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** @returns SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))); empty for an empty password */
export function nativeScramble(password: Password, nonce: Uint8Array): Buffer {
  if (password.length === 0) return Buffer.alloc(0);
  const once = sha1(passwordBytes(password));
  const mask = sha1(nonce, sha1(once));
  return Buffer.from(once.map((byte, i) => byte ^ (mask[i] ?? 0)));
}

/** @returns whether `answer` was made from the password */
export function nativeMatches(answer: Uint8Array, nonce: Uint8Array, password: Password): boolean {
  const expected = nativeScramble(password, nonce);
  return answer.length === expected.length && timingSafeEqual(answer, expected);
}
