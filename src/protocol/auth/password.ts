/** A password: servers know its bytes, in whatever character set it was typed. As a text it is taken to be in UTF-8. */
export type Password = string | Uint8Array;

export function passwordBytes(password: Password): Uint8Array {
  return typeof password === 'string' ? Buffer.from(password, 'utf8') : password;
}
