import { passwordBytes, type Password } from './password.js';

/** The password as it is: only ever over TLS, or a socket that does not leave the machine. */
export const CLEAR_PASSWORD = 'mysql_clear_password';

export function encodeClearPassword(password: Password): Buffer {
  return Buffer.concat([passwordBytes(password), Buffer.from([0])]);
}

/** @returns a copy of the password, which ends at a NUL; undefined where there is none */
export function decodeClearPassword(payload: Buffer): Buffer | undefined {
  const end = payload.indexOf(0);
  return end < 0 ? undefined : Buffer.from(payload.subarray(0, end));
}
