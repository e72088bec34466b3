import { createHash } from 'node:crypto';

/** `mysql_native_password`, the client's side: for servers that still have accounts with it. */
export const NATIVE_PASSWORD = 'mysql_native_password';

function sha1(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** @returns SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password))); empty for an empty password */
export function nativeScramble(password: string, nonce: Uint8Array): Buffer {
  if (password === '') return Buffer.alloc(0);
  const once = sha1(Buffer.from(password, 'utf8'));
  const mask = sha1(nonce, sha1(once));
  return Buffer.from(once.map((byte, i) => byte ^ (mask[i] ?? 0)));
}
