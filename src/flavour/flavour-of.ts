import type { Flavour } from './flavour.js';
import { MARIADB } from './mariadb.js';
import { MYSQL } from './mysql.js';

export function isMariadb(serverVersion: string): boolean {
  return /mariadb/i.test(serverVersion);
}

/** @param serverVersion as its greeting or `@@version` has it */
export function flavourOf(serverVersion: string): Flavour {
  return isMariadb(serverVersion) ? MARIADB : MYSQL;
}
