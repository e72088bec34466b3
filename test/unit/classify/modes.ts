import type { Classification, LexMode } from '../../../src/classify/classification.js';
import { classify } from '../../../src/classify/classify.js';

export const MYSQL: LexMode = {
  ansiQuotes: false,
  noBackslashEscapes: false,
  charset: 'other',
  serverVersion: 90704,
  mariadb: false,
};
export const MARIADB: LexMode = { ...MYSQL, serverVersion: 101119, mariadb: true };

export function classOf(sql: string | Uint8Array, mode: LexMode = MYSQL): Classification {
  const bytes = typeof sql === 'string' ? Buffer.from(sql) : sql;
  return classify(bytes, 0, bytes.length, mode);
}

/** `target reason`, with `+pin` and `-unpin` after it. */
export function summary(sql: string | Uint8Array, mode: LexMode = MYSQL): string {
  const { target, reason, pins, unpins } = classOf(sql, mode);
  return [target, reason, ...pins.map((pin) => `+${pin}`), ...unpins.map((pin) => `-${pin}`)].join(' ');
}
