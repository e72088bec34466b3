import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { asRoot, eventually, PRIMARY_ID, ranOn, row, startProxy, value, type Row, type TestProxy } from '../proxy.js';

const OBSERVED = [
  'character_set_client',
  'character_set_connection',
  'character_set_results',
  'collation_connection',
  'sql_mode',
  'time_zone',
  'autocommit',
  'transaction_isolation',
  'transaction_read_only',
  'sql_safe_updates',
  'sql_select_limit',
  'group_concat_max_len',
  'max_execution_time',
  'wait_timeout',
  'net_write_timeout',
  'foreign_key_checks',
  'unique_checks',
  'lc_time_names',
  'div_precision_increment',
  'default_week_format',
  'optimizer_switch',
  'sort_buffer_size',
  'lock_wait_timeout',
  'innodb_lock_wait_timeout',
  'sql_big_selects',
  'max_join_size',
  'sql_auto_is_null',
  'block_encryption_mode',
  'cte_max_recursion_depth',
  'explicit_defaults_for_timestamp',
  'default_storage_engine',
];

const READ = `SELECT ${OBSERVED.map((name) => `@@session.${name} AS ${name}`).join(', ')}`;
/** The same from the primary, which alone knows of its locks. */
const READ_PRIMARY = `${READ} FROM (SELECT IS_FREE_LOCK('none')) AS here`;

/** Statements that set something of a session, as clients, tools and frameworks write them. */
const SPELLINGS = [
  'SET NAMES utf8mb4',
  "SET NAMES 'latin1'",
  'SET NAMES "latin1"',
  'set names LATIN1',
  'SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci',
  "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'",
  'SET NAMES DEFAULT',
  'SET NAMES binary',
  'SET CHARACTER SET latin1',
  "SET CHARACTER SET 'utf8mb4'",
  'SET CHARSET latin1',
  'SET CHARACTER SET DEFAULT',
  'SET character_set_client = latin1',
  "SET character_set_client = 'gbk'",
  'SET character_set_results = NULL',
  "SET character_set_results = ''",
  'SET @@character_set_connection = latin1',
  'SET collation_connection = latin1_german2_ci',
  'SET @@session.collation_connection = utf8mb4_bin',
  'SET character_set_client = 33',
  "SET sql_mode = ''",
  'SET sql_mode = ""',
  "SET sql_mode = 'ANSI'",
  "SET sql_mode = 'TRADITIONAL'",
  "SET sql_mode='STRICT_TRANS_TABLES,NO_ZERO_DATE'",
  'SET sql_mode = ANSI_QUOTES',
  "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'",
  "SET @@sql_mode := 'PIPES_AS_CONCAT'",
  "SET @@session.sql_mode = CONCAT(@@sql_mode, ',NO_UNSIGNED_SUBTRACTION')",
  "SET @@local.sql_mode = REPLACE(@@sql_mode, 'ONLY_FULL_GROUP_BY', '')",
  'SET sql_mode = (SELECT @@sql_mode)',
  'SET sql_mode = 4',
  'SET sql_mode = DEFAULT',
  'SET @@sql_mode = @@global.sql_mode',
  "SET time_zone = '+00:00'",
  "SET time_zone = '-05:30'",
  'SET time_zone = SYSTEM',
  'SET time_zone = "+13:00"',
  "SET SESSION time_zone='+01:00'",
  "SET @@session.time_zone := '+02:00'",
  "SET LOCAL time_zone = '+03:00'",
  "/* c */ SET /* d */ time_zone /* e */ = /* f */ '+04:00' -- g",
  "SET\n\ttime_zone\n=\n'+05:00'\n;",
  "SET `time_zone` = '+06:00'",
  "SET @@`session`.`time_zone` = '+07:00'",
  "SET time_zone = CONCAT('+', '08:00')",
  'SET time_zone = DEFAULT',
  "SET TIME_ZONE = '+09:00', SQL_MODE = '', NAMES latin1",
  "SET NAMES latin1, time_zone = '+10:00', sql_safe_updates = ON",
  "SET time_zone = '+11:00', time_zone = '+12:00'",
  'SET autocommit = 0',
  'SET autocommit = OFF, sql_safe_updates = 1',
  'SET @@autocommit = 1',
  'SET autocommit = DEFAULT',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY',
  'SET SESSION TRANSACTION READ ONLY',
  "SET @@session.transaction_isolation = 'READ-UNCOMMITTED'",
  "SET transaction_isolation = 'SERIALIZABLE'",
  'SET SESSION transaction_read_only = ON',
  'SET sql_safe_updates = ON',
  'SET SQL_SAFE_UPDATES = 1, SQL_SELECT_LIMIT = 500, MAX_JOIN_SIZE = 1000000',
  'SET sql_select_limit = 10',
  'SET sql_select_limit = DEFAULT',
  'SET group_concat_max_len = 1000000',
  'SET SESSION group_concat_max_len = 18446744073709551615',
  'SET max_execution_time = 30000',
  'SET wait_timeout = 100, interactive_timeout = 200',
  'SET SESSION net_write_timeout = 600, net_read_timeout = 600',
  'SET foreign_key_checks = 0',
  'SET FOREIGN_KEY_CHECKS = OFF, UNIQUE_CHECKS = OFF',
  "SET lc_time_names = 'de_DE'",
  'SET lc_time_names = ja_JP',
  'SET div_precision_increment = 10',
  'SET default_week_format = 1',
  "SET optimizer_switch = 'index_merge=off,mrr=on'",
  'SET optimizer_switch = DEFAULT',
  'SET sort_buffer_size = 1024 * 1024',
  'SET sort_buffer_size = @@sort_buffer_size * 2, lock_wait_timeout = 5',
  'SET lock_wait_timeout = 3',
  'SET innodb_lock_wait_timeout = 2',
  'SET sql_big_selects = 0',
  'SET sql_auto_is_null = 1',
  "SET block_encryption_mode = 'aes-256-cbc'",
  'SET cte_max_recursion_depth = 5',
  'SET default_storage_engine = MEMORY',
  "SET default_storage_engine = 'InnoDB'",
  'SET cte_max_recursion_depth = -1',
  "SET time_zone = '+01:00', no_such_variable = 1",
  "SET time_zone = '+01:00', sql_mode = 'NO_SUCH_MODE'",
  'SET SESSION max_connections = 3',
  'SET NAMES no_such_charset',
  // What mysqldump, JDBC, PDO and others send.
  '/*!40101 SET NAMES utf8mb4 */',
  "/*!40103 SET TIME_ZONE='+00:00' */",
  '/*!40014 SET FOREIGN_KEY_CHECKS=0 */',
  "SET character_set_results = NULL, autocommit=1, sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES'), sql_select_limit=DEFAULT",
  "SET SESSION sql_mode = CONCAT(CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), ',NO_AUTO_VALUE_ON_ZERO'), @@SESSION.sql_auto_is_null = 0, @@SESSION.wait_timeout = 2147483",
  "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_unicode_ci'; ",
  "set session sql_mode='ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
] as const;

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('session_state');
  await freshSchema('session_state_2');
  // One connection a node: each session gets what the one before has left.
  proxy = await startProxy({ poolMax: 1 });
  const direct = await connectDirect(0, { database: 'session_state' });
  await direct.query('CREATE TABLE one (id INT)');
  await direct.query('INSERT INTO one VALUES (1)');
  await untilReplicated();
});

describe('a session has the values that it set, on whichever server it reads', () => {
  for (const sql of SPELLINGS) {
    test(sql, async () => {
      const direct = await connectDirect(0, { database: 'session_state' });
      const proxied = await proxy.connect({ database: 'session_state' });
      expect(await outcome(proxied, sql)).toEqual(await outcome(direct, sql));
      const expected = await row(direct, READ);
      for (let i = 0; i < 2; i++) expect(await row(proxied, READ)).toEqual(expected);
      expect(await row(proxied, READ_PRIMARY)).toEqual(expected);
      expect(await row(proxied, READ)).toEqual(expected);
      await proxied.end();
      const next = await proxy.connect({ database: 'session_state' });
      const fresh = await connectDirect(0, { database: 'session_state' });
      const untouched = await row(fresh, READ);
      for (let i = 0; i < 3; i++) expect(await row(next, READ)).toEqual(untouched);
      expect(await row(next, READ_PRIMARY)).toEqual(untouched);
      await next.end();
      direct.destroy();
      fresh.destroy();
    });
  }
});

describe('the schema of a session', () => {
  test('follows USE and COM_INIT_DB on all servers', async () => {
    const client = await proxy.connect({ database: 'session_state' });
    for (const use of ['USE session_state_2', '/* c */ use `session_state`', 'USE session_state_2;']) {
      await client.query(use);
      const expected = use.includes('_2') ? 'session_state_2' : 'session_state';
      for (let i = 0; i < 3; i++) expect(await value(client, 'SELECT DATABASE()')).toBe(expected);
      expect(await value(client, 'SELECT DATABASE() FROM (SELECT IS_FREE_LOCK(1)) AS here')).toBe(expected);
    }
    await client.end();
  });

  test('stays what it was when another one cannot be used', async () => {
    const client = await proxy.connect({ database: 'session_state' });
    await expect(client.query('USE no_such_schema')).rejects.toMatchObject({ errno: 1049 });
    expect(await value(client, 'SELECT DATABASE()')).toBe('session_state');
    await client.end();
  });

  test('of a client that named none is none, after others that had one', async () => {
    const other = await proxy.connect();
    await other.query('USE session_state');
    expect(await value(other, 'SELECT DATABASE()')).toBe('session_state');
    await other.end();
    const client = await proxy.connect();
    for (let i = 0; i < 3; i++) expect(await value(client, 'SELECT DATABASE()')).toBeNull();
    await expect(client.query('SELECT * FROM one')).rejects.toMatchObject({ errno: 1046 });
    await client.end();
  });

  test('may have a name of any characters', async () => {
    await freshSchema('schémà ‘x’ 日本');
    const client = await proxy.connect({ database: 'schémà ‘x’ 日本' });
    for (let i = 0; i < 2; i++) expect(await value(client, 'SELECT DATABASE()')).toBe('schémà ‘x’ 日本');
    await client.query('SET NAMES latin1');
    for (let i = 0; i < 3; i++) {
      expect(
        await value(
          client,
          "SELECT DATABASE() = CONVERT(x'736368c3a96dc3a020e2809878e2809920e697a5e69cac' USING utf8mb4)",
        ),
      ).toBe(1);
    }
    await client.end();
  });
});

describe('user variables', () => {
  test('that SET gave values leave reads that name none of them to the replicas', async () => {
    const client = await proxy.connect();
    await client.query("SET @x = 7, @y = 'read', time_zone = '+01:00'");
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
    expect(await row(client, 'SELECT @x AS x, @y AS y, @@server_id AS id')).toEqual({
      x: 7,
      y: 'read',
      id: PRIMARY_ID,
    });
    expect(await value(client, 'SELECT @@time_zone')).toBe('+01:00');
    await client.query('START TRANSACTION READ ONLY');
    expect(await value(client, 'SELECT @x')).toBe(7);
    await client.query('COMMIT');
    expect((await client.execute<Row[]>('SELECT @x + ? AS sum', [1]))[0][0]?.['sum']).toBe(8);
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
    await client.end();
  });

  test('of one client are none of another, who gets none of its connections', async () => {
    const few = await startProxy({ poolMax: 1 });
    for (const end of ['end', 'reset', 'changeUser'] as const) {
      const client = await few.connect();
      await client.query('SET @x = 1');
      await (end === 'changeUser' ? client.changeUser({ ...clusterInfo().accounts.app }) : client[end]());
      const other = await few.connect();
      expect(await value(other, 'SELECT @x')).toBeNull();
      await other.end();
      if (end !== 'end') await client.end();
    }
    await few.proxy.stop();
  });
});

describe('COM_RESET_CONNECTION', () => {
  test('gives back everything but the schema', async () => {
    const client = await proxy.connect({ database: 'session_state' });
    await client.query("SET @x = 1, time_zone = '+01:00', autocommit = 0");
    await client.query('CREATE TEMPORARY TABLE tmp (id INT)');
    await client.query('USE session_state_2');
    await client.reset();
    expect(await row(client, 'SELECT @@time_zone AS zone, @@autocommit AS auto, DATABASE() AS db')).toEqual({
      zone: 'SYSTEM',
      auto: 1,
      db: 'session_state_2',
    });
    expect(await value(client, 'SELECT @x')).toBeNull();
    await expect(client.query('SELECT * FROM tmp')).rejects.toMatchObject({ errno: 1146 });
    await client.end();
  });

  test('ends what bound the session to the primary', async () => {
    const client = await proxy.connect();
    await client.query('SELECT 1 INTO @x');
    expect(await ranOn(client)).toBe(PRIMARY_ID);
    await client.reset();
    expect(await ranOn(client)).not.toBe(PRIMARY_ID);
    await client.end();
  });
});

/** What the servers themselves count of the statements and commands of a user, over all nodes. */
async function commandsOf(user: string): Promise<number> {
  const counts = await Promise.all(
    clusterInfo().nodes.map(async (_node, index) => {
      const root = await connectDirect(index, clusterInfo().accounts.root);
      const count = await value(
        root,
        'SELECT SUM(COUNT_STAR) FROM performance_schema.events_statements_summary_by_user_by_event_name WHERE USER = ?',
        [user],
      );
      root.destroy();
      return Number(count);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A server counts a command when its client has the answer already: the last ones may come a moment later. */
async function allCommandsOf(user: string): Promise<number> {
  let count = NaN;
  await eventually(async () => {
    const before = count;
    count = await commandsOf(user);
    expect(count).toBe(before);
  });
  return count;
}

test("a session's schema stays its own when others log in to another one on the same connection", async () => {
  const own = await startProxy({ poolMax: 1 });
  const schemaOf = async (client: Connection): Promise<unknown> =>
    value(client, '/* rwsplit: primary */ SELECT DATABASE()');
  const one = await own.connect({ database: 'session_state' });
  for (const database of ['session_state_2', 'mysql', 'session_state']) {
    expect(await schemaOf(one)).toBe('session_state');
    const other = await own.connect({ database });
    expect(await schemaOf(one)).toBe('session_state');
    expect(await schemaOf(other)).toBe(database);
  }
});

describe('what the servers are asked', () => {
  test('by sessions that share connections and change nothing is what their clients asked, and no statement more', async () => {
    await asRoot("CREATE USER IF NOT EXISTS counted@'%' IDENTIFIED BY 'c'", 'GRANT ALL ON session_state.* TO counted');
    // Reads that wait for what their session wrote are another matter.
    const own = await startProxy({ poolMax: 2, options: { consistency: 'eventual' } });
    const account = { user: 'counted', password: 'c', database: 'session_state' };
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => own.connect(account)));
    await clients[0]?.query('CREATE TABLE IF NOT EXISTS counted (id INT PRIMARY KEY, v INT)');
    await clients[0]?.query('REPLACE INTO counted VALUES (100, 0)');
    await untilReplicated();
    // Each row takes its time: all connections are in use at once.
    const useAll = async (): Promise<void> => {
      for (const hint of ['', '/* rwsplit: primary */']) {
        await Promise.all(clients.map((client) => client.query(`${hint} SELECT SLEEP(0.05), v FROM counted`)));
      }
    };
    const monitor = await own.connect(clusterInfo().accounts.monitor);
    await eventually(async () => {
      await useAll();
      const [pools] = await monitor.query<Row[]>('SHOW RWSPLIT POOLS');
      const ofUser = pools.filter((pool) => pool['user'] === account.user);
      expect(ofUser.map((pool) => pool['connections'])).toEqual([2, 2, 2]);
    });
    // All of them are in the state of the sessions.
    await useAll();
    const before = await allCommandsOf('counted');
    for (let i = 0; i < 10; i++) {
      await Promise.all(
        clients.map(async (client, n) => {
          await client.query('SELECT v FROM counted');
          await client.query('BEGIN');
          await client.query('REPLACE INTO counted VALUES (?, ?)', [n, i]);
          await client.query('COMMIT');
        }),
      );
    }
    expect((await allCommandsOf('counted')) - before).toBe(10 * 5 * 4);
  });
});

async function outcome(connection: Connection, sql: string): Promise<unknown> {
  try {
    await connection.query(sql);
    return 'ok';
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
}

test('a session whose transaction a deadlock has ended is in none: it reads on replicas', async () => {
  await asRoot('CREATE TABLE IF NOT EXISTS session_state.locked (id INT PRIMARY KEY, n INT)');
  await asRoot('REPLACE INTO session_state.locked VALUES (1, 0), (2, 0), (3, 0), (4, 0)');
  const client = await proxy.connect({ database: 'session_state' });
  const other = await connectDirect(0, { ...clusterInfo().accounts.root, database: 'session_state' });
  await other.query('BEGIN');
  // Who has changed less is the one that is ended.
  await other.query('UPDATE locked SET n = 1 WHERE id > 1');
  await client.query('BEGIN');
  await client.query('UPDATE locked SET n = 2 WHERE id = 1');
  const waiting = other.query('UPDATE locked SET n = 1 WHERE id = 1');
  const root = await connectDirect(0, clusterInfo().accounts.root);
  const waits = 'SELECT COUNT(*) FROM performance_schema.data_lock_waits';
  await eventually(async () => expect(await value(root, waits)).toBe(1));
  await expect(client.query('UPDATE locked SET n = 2 WHERE id = 2')).rejects.toMatchObject({ errno: 1213 });
  await waiting;
  expect(await ranOn(client)).not.toBe(PRIMARY_ID);
  await other.query('ROLLBACK');
});
