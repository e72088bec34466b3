import type { ServerFacts } from './facts.js';
import type { Severity } from './finding.js';

export interface Needed {
  readonly privilege: string;
  /** Everywhere when absent. */
  readonly on?: string;
  readonly severity: Severity;
  readonly why: string;
}

/** What accounts have to be granted on servers of one make. */
export interface NeededPrivileges {
  readonly monitor: readonly Needed[];
  readonly failover: readonly Needed[];
  /** With these an account writes on a replica that is read-only. */
  readonly tooMuch: readonly string[];
}

const PERFORMANCE_SCHEMA = 'performance_schema.*';
const REPLICATES = 'without it nobody tells who replicates from whom';
const FINDS = 'it lets servers be found that are not named';

export const CHANGES = 'it is needed to promote, to fence and to take back a server';
function toChange(...privileges: readonly string[]): Needed[] {
  return privileges.map((privilege) => ({ privilege, severity: 'error', why: CHANGES }));
}

const ON_JOURNAL = ['SELECT', 'INSERT', 'CREATE'].map((privilege): Needed => {
  return { privilege, on: 'rwsplit.*', severity: 'error', why: 'the journal of primaries is kept there' };
});

const MYSQL: NeededPrivileges = {
  monitor: [
    { privilege: 'REPLICATION CLIENT', severity: 'error', why: REPLICATES },
    {
      privilege: 'SELECT',
      on: PERFORMANCE_SCHEMA,
      severity: 'warning',
      why: 'it has the lag within a transaction, and the members of a replication group',
    },
    { privilege: 'REPLICATION SLAVE', severity: 'hint', why: FINDS },
    {
      privilege: 'SHOW_ROUTINE',
      severity: 'hint',
      why: 'else what calls a stored function always runs on the primary',
    },
  ],
  failover: [
    ...toChange('REPLICATION CLIENT', 'REPLICATION SLAVE', 'PROCESS', 'RELOAD'),
    ...toChange('REPLICATION_SLAVE_ADMIN', 'SYSTEM_VARIABLES_ADMIN', 'PERSIST_RO_VARIABLES_ADMIN', 'CONNECTION_ADMIN'),
    {
      privilege: 'SELECT',
      on: PERFORMANCE_SCHEMA,
      severity: 'error',
      why: 'it tells what a replica hears of the primary',
    },
    ...ON_JOURNAL,
  ],
  tooMuch: ['SUPER', 'CONNECTION_ADMIN'],
};

const MARIADB: NeededPrivileges = {
  monitor: [
    { privilege: 'BINLOG MONITOR', severity: 'error', why: REPLICATES },
    { privilege: 'SLAVE MONITOR', severity: 'error', why: REPLICATES },
    { privilege: 'REPLICATION SLAVE', severity: 'hint', why: FINDS },
  ],
  failover: [
    ...toChange('BINLOG MONITOR', 'SLAVE MONITOR', 'REPLICATION SLAVE ADMIN', 'REPLICATION MASTER ADMIN'),
    ...toChange('READ_ONLY ADMIN', 'CONNECTION ADMIN', 'RELOAD', 'PROCESS'),
    ...ON_JOURNAL,
  ],
  tooMuch: ['SUPER', 'READ_ONLY ADMIN'],
};

export function neededOf({ make }: Pick<ServerFacts, 'make'>): NeededPrivileges {
  return make === 'mariadb' ? MARIADB : MYSQL;
}
