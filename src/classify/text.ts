/** Longer texts are of no interest as a string. */
const MAX_LENGTH = 1024;

/** The bytes as characters of the same numbers; nothing where there are too many. */
export function latin1Text(sql: Uint8Array, start: number, stop: number): string {
  return stop - start > MAX_LENGTH ? '' : String.fromCharCode(...sql.subarray(start, stop));
}
