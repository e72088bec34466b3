import type { FailoverLook } from './failover-look.js';
import type { FailoverStatements } from './failover-statements.js';
import { isMariadb } from './flavour-of.js';
import { MARIADB_FAILOVER } from './mariadb-failover.js';
import { MARIADB_LOOK } from './mariadb-look.js';
import { MYSQL_FAILOVER } from './mysql-failover.js';
import { MYSQL_LOOK } from './mysql-look.js';

/** What a failover asks servers of one make, and says to them. */
export interface FailoverFlavour {
  readonly look: FailoverLook;
  readonly statements: FailoverStatements;
}

const MYSQL: FailoverFlavour = { look: MYSQL_LOOK, statements: MYSQL_FAILOVER };
const MARIADB: FailoverFlavour = { look: MARIADB_LOOK, statements: MARIADB_FAILOVER };

/** @param serverVersion as its greeting has it */
export function failoverFlavourOf(serverVersion: string): FailoverFlavour {
  return isMariadb(serverVersion) ? MARIADB : MYSQL;
}
