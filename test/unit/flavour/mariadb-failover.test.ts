import { describe, expect, test } from 'vitest';
import type { HaAccounts } from '../../../src/flavour/failover-statements.js';
import { MARIADB_FAILOVER } from '../../../src/flavour/mariadb-failover.js';
import { mariadbGtids, mariadbPosition } from '../../../src/flavour/mariadb-gtids.js';
import { MARIADB_LOOK } from '../../../src/flavour/mariadb-look.js';
import type { Command } from '../../../src/failover/task.js';
import { GtidSet } from '../../../src/topology/gtid-set.js';

const ACCOUNTS: HaAccounts = {
  own: { user: 'ha', password: 'secret' },
  replication: { user: 'repl', password: "it's", tls: false },
};

function said(command: Command, accounts = ACCOUNTS): string[] {
  return MARIADB_FAILOVER.of(command, accounts).map(({ sql }) =>
    typeof sql === 'string' ? sql : sql({ Gtid_IO_Pos: '0-1-7' }),
  );
}

describe('what a MariaDB server has', () => {
  test('is told apart by who made it: two that went on from the same number have something of their own each', () => {
    const old = mariadbGtids('0-1-107');
    const now = mariadbGtids('0-1-99,0-2-500');
    expect(now.contains(old)).toBe(false);
    expect(old.subtract(now).toString()).toBe('0-1:100-107');
    expect(now.contains(mariadbGtids('0-1-99,0-2-120'))).toBe(true);
    expect(now.contains(mariadbGtids('0-1-99,0-2-501'))).toBe(false);
  });

  test('is what it wrote to its binary log, and what it was given before', () => {
    expect(mariadbGtids('0-1-5,7-1-2', '0-2-3, 0-1-4').toString()).toBe('0-1:1-5,7-1:1-2,0-2:1-3');
    expect(mariadbGtids('', null).isEmpty).toBe(true);
    expect(() => mariadbGtids('rubbish')).toThrow(/cannot be read/);
  });

  test('survives being written down', () => {
    const gtids = mariadbGtids('0-1-5,7-1-2');
    expect(GtidSet.parse(gtids.toString())?.toString()).toBe(gtids.toString());
  });

  test('is waited for by the last of each domain', () => {
    expect(mariadbPosition(mariadbGtids('0-1-600,0-2-500,3-2-9'))).toBe('0-1-600,3-2-9');
    expect(said({ kind: 'wait-executed', gtids: mariadbGtids('0-1-6'), timeoutMs: 1500 })).toEqual([
      "SELECT MASTER_GTID_WAIT('0-1-6', 1.5) = 0 AS ok",
    ]);
    expect(said({ kind: 'wait-executed', gtids: GtidSet.EMPTY, timeoutMs: 1500 })).toEqual([]);
  });
});

/** Its receiver would wait for a frozen source. */
const STOP_RECEIVING = [
  'SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout = 1',
  "SELECT id FROM information_schema.processlist WHERE command = 'Slave_IO'",
  'DO SLEEP(0.02)',
  "SELECT id FROM information_schema.processlist WHERE command = 'Slave_IO'",
  'STOP SLAVE IO_THREAD',
];

describe('what is said to MariaDB', () => {
  test.each<[Command, string[]]>([
    [{ kind: 'stop-receiving' }, STOP_RECEIVING],
    [{ kind: 'start-receiving' }, ['START SLAVE IO_THREAD']],
    [{ kind: 'stop-replica' }, ['STOP SLAVE']],
    [{ kind: 'forget-source' }, ['RESET SLAVE ALL']],
    [{ kind: 'close-for-writes', waitS: 2 }, ['SET SESSION lock_wait_timeout = 2', 'SET GLOBAL read_only = ON']],
    [{ kind: 'open-for-writes' }, ['SET GLOBAL read_only = OFF']],
    [{ kind: 'persist-closed' }, []],
    [{ kind: 'offline', on: false }, []],
    [{ kind: 'semi-sync-replica', on: true }, ['SET GLOBAL rpl_semi_sync_slave_enabled = ON']],
    [{ kind: 'semi-sync-source', on: false, acknowledgements: 0 }, ['SET GLOBAL rpl_semi_sync_master_enabled = OFF']],
  ])('%o', (command, statements) => {
    expect(said(command)).toEqual(statements);
  });

  test('a new primary waits for its acknowledgement without end, before anybody sees what was written', () => {
    const [settings = '', on] = said({ kind: 'semi-sync-source', on: true, acknowledgements: 1 });
    expect(settings).toContain('rpl_semi_sync_master_timeout = 4294967295');
    expect(settings).toContain("rpl_semi_sync_master_wait_point = 'AFTER_SYNC'");
    expect(on).toBe('SET GLOBAL rpl_semi_sync_master_enabled = ON');
  });

  test('an old primary lets go of nothing that hangs while a client may hear of it', () => {
    const statements = MARIADB_FAILOVER.of({ kind: 'offline', on: true }, ACCOUNTS);
    const steps = statements.map(({ endsClients, sql }) =>
      endsClients === true
        ? 'end'
        : typeof sql === 'string'
          ? sql.replace(/ =.*/, '')
          : sql({ greeting: "SET @a = 'b'" }),
    );
    expect(steps).toEqual([
      'SELECT @@global.init_connect AS greeting',
      'SET GLOBAL init_connect',
      ...['end', 'end', 'end'],
      ...['SET SESSION lock_wait_timeout', 'SET GLOBAL read_only'],
      'end',
      String.raw`SET GLOBAL init_connect = 'SET @a = \'b\''`,
    ]);
  });

  test('a replica that is to follow another one applies what it has received first', () => {
    const [, ...statements] = said({ kind: 'follow', host: 'db2', port: 3306, anew: false });
    expect(statements).toEqual([
      ...STOP_RECEIVING.slice(1),
      'SHOW SLAVE STATUS',
      "SELECT MASTER_GTID_WAIT('0-1-7', 1)",
      'STOP SLAVE',
      expect.stringMatching(/^CHANGE MASTER TO MASTER_HOST = 'db2', MASTER_PORT = 3306, MASTER_USE_GTID = slave_pos/),
      'START SLAVE',
    ]);
  });

  test('an old primary goes on from what it wrote itself, with the account that was named', () => {
    const statements = said({ kind: 'follow', host: 'db2', port: 3306, anew: true });
    expect(statements).toContain('SET GLOBAL gtid_slave_pos = @@global.gtid_current_pos');
    expect(statements[2]).toContain(String.raw`MASTER_USER = 'repl', MASTER_PASSWORD = 'it\'s'`);
    const unnamed = { ...ACCOUNTS, replication: { user: 'repl', password: '', tls: false } };
    expect(() => said({ kind: 'follow', host: 'db2', port: 3306, anew: true }, unnamed)).toThrow(/replication_user/);
  });

  test('what is to be there is compared here: MariaDB has no functions for it', () => {
    const holds = (command: Command, told: object): boolean | undefined =>
      MARIADB_FAILOVER.of(command, ACCOUNTS)[0]?.holds?.({ ...told });
    const gtids = mariadbGtids('0-1-99,0-2-120');
    expect(holds({ kind: 'assert-executed', gtids }, { executed: '0-1-99,0-2-121', applied: '0-2-121' })).toBe(true);
    expect(holds({ kind: 'assert-executed', gtids }, { executed: '0-1-99,0-2-119', applied: '0-2-119' })).toBe(false);
    expect(holds({ kind: 'assert-nothing-else', gtids }, { executed: '0-1-99,0-2-119' })).toBe(true);
    expect(holds({ kind: 'assert-nothing-else', gtids }, { executed: '0-1-107' })).toBe(false);
  });

  test('data are not copied by it', () => {
    expect(() => said({ kind: 'clone', host: 'db2', port: 3306 })).toThrow(/mariabackup/);
  });
});

describe('what a replica of MariaDB tells', () => {
  const STATUS = {
    Connection_name: '',
    Master_Host: 'db1',
    Master_Port: 3306,
    Master_Log_File: 'binlog.000001',
    Read_Master_Log_Pos: 4,
    Slave_received_heartbeats: 5,
    Slave_heartbeat_period: 0.2,
    Slave_IO_Running: 'Yes',
    Slave_SQL_Running: 'Yes',
    Using_Gtid: 'Slave_Pos',
    Gtid_IO_Pos: '0-1-7',
  };

  test('is what it has received, and whether anything comes, heartbeats among it', () => {
    const replica = MARIADB_LOOK.replicaOf([{ ...STATUS, Connection_name: 'other' }, STATUS], undefined);
    expect(replica).toMatchObject({ sourceHost: 'db1', receiver: 'on', applies: true, heartbeatMs: 200 });
    expect(replica?.received.toString()).toBe('0-1:1-7');
    const later = MARIADB_LOOK.replicaOf([{ ...STATUS, Slave_received_heartbeats: 6 }], undefined);
    expect(later?.place).not.toBe(replica?.place);
  });

  test('keeps it from being promoted where it does not replicate by GTID', () => {
    const replica = MARIADB_LOOK.replicaOf([{ ...STATUS, Using_Gtid: 'No', Gtid_IO_Pos: '' }], undefined);
    expect(replica).toMatchObject({ applies: false, applierError: expect.stringContaining('MASTER_USE_GTID') });
  });

  test('is nothing where it has no source', () => {
    expect(MARIADB_LOOK.replicaOf([], undefined)).toBeUndefined();
  });
});
