import { createHash } from 'node:crypto';
import { passwordBytes, type Password } from './password.js';

/**
 * `client_ed25519` of MariaDB, the client's side: the server's nonce, signed. The key is not a seed, as Node's own crypto wants it, but
 * the password's SHA-512 as it is.
 * Source: MariaDB's documentation, "Authentication Plugin - ed25519"; RFC 8032, 5.1.6.
 */
export const ED25519 = 'client_ed25519';

export const ED25519_NONCE_BYTES = 32;

function sha512(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** @returns the 64 bytes of the signature. With an empty password, too: MariaDB has no other way to say so here */
export async function signEd25519(password: Password, nonce: Uint8Array): Promise<Buffer> {
  // Only accounts of this kind need it.
  const { ed25519 } = await import('@noble/curves/ed25519.js');
  const { BASE, Fn } = ed25519.Point;
  const scalar = (bytes: Uint8Array): bigint =>
    Fn.create(BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`));
  const expanded = sha512(passwordBytes(password));
  const [secret, prefix] = [Buffer.from(expanded.subarray(0, 32)), expanded.subarray(32)];
  secret.writeUInt8(secret.readUInt8(0) & 248, 0);
  secret.writeUInt8((secret.readUInt8(31) & 63) | 64, 31);
  const key = scalar(secret);
  const once = scalar(sha512(prefix, nonce));
  const point = BASE.multiply(once).toBytes();
  const challenge = scalar(sha512(point, BASE.multiply(key).toBytes(), nonce));
  return Buffer.concat([point, Fn.toBytes(Fn.add(once, Fn.mul(challenge, key)))]);
}
