import { createConnection, type Connection, type ConnectionOptions } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { ServerStatus } from '../../src/protocol/server-status.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { startProxy, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

/** A client twice: through the proxy, and alone on a connection of its own, which is what it is to see. */
interface Twin {
  readonly proxied: Connection;
  readonly alone: Connection;
  statementsLeft: number;
}

const PROXIED = 'isolation_p';
const ALONE = 'isolation_a';

beforeAll(async () => {
  for (const schema of [PROXIED, ALONE]) {
    await freshSchema(schema);
    await freshSchema(`${schema}_2`);
    const direct = await connectDirect(0, { database: schema });
    for (let who = 0; who < 8; who++) await direct.query(`CREATE TABLE own_${who} (id INT PRIMARY KEY, v INT)`);
    for (let who = 0; who < 8; who++) await direct.query(`INSERT INTO own_${who} VALUES (1, 10), (2, 20)`);
    await direct.query('CREATE TABLE fixed (id INT PRIMARY KEY, v INT)');
    await direct.query('INSERT INTO fixed VALUES (1, 10), (2, 20), (3, 30), (4, 40), (5, 50)');
    await direct.query('CREATE TABLE counted (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
    await direct.query('CREATE PROCEDURE adds(x INT) INSERT INTO counted (v) VALUES (x)');
    await direct.query('CREATE PROCEDURE finds() SELECT SQL_CALC_FOUND_ROWS id FROM fixed LIMIT 3');
    await direct.query('CREATE PROCEDURE sets() SET time_zone = "+07:30", @p = 70');
  }
  await untilReplicated();
});

/** What a session has, asked in the ways that clients ask. */
const QUESTIONS = [
  'SELECT @@time_zone, @@sql_mode, @@autocommit, @@foreign_key_checks, @@unique_checks, @@sql_select_limit',
  'SELECT @@character_set_client, @@character_set_results, @@collation_connection, @@group_concat_max_len',
  'SELECT @@transaction_isolation, @@transaction_read_only, @@lc_time_names, @@sort_buffer_size, @@wait_timeout',
  'SELECT DATABASE()',
  'SELECT id FROM fixed WHERE id < 4 ORDER BY id',
  'SELECT v / 3, DATE_FORMAT(FROM_UNIXTIME(86400), "%Y-%m-%d %H:%i %W") FROM (SELECT 10 AS v) AS t',
  'SELECT GROUP_CONCAT(v ORDER BY v) FROM fixed',
  'SELECT LAST_INSERT_ID()',
  'SELECT @@identity',
  '#execute SELECT v + ? FROM fixed WHERE id < ? ORDER BY id',
  '#execute SELECT DATABASE(), @@sql_mode, ?, ?',
];

/** What the statement before has left: asked at once, by sessions that need not fear for their connection. */
const AFTERWARDS = [
  'SELECT id FROM fixed WHERE id < 3 ;; SELECT ROW_COUNT()',
  'UPDATE SCHEMA.own_CLIENT SET v = v + 1 ;; SELECT ROW_COUNT()',
  'SHOW WARNINGS',
  'SHOW ERRORS',
  'SHOW COUNT(*) WARNINGS',
  'SELECT @@warning_count, @@error_count',
];

/** What leaves nothing that needs a connection of its own, or only until the next statement. */
const CARRIED = [
  ...QUESTIONS,
  ...QUESTIONS,
  "SET time_zone = '+01:00'",
  "SET time_zone = '-03:00', lc_time_names = 'de_DE'",
  'SET time_zone = DEFAULT, lc_time_names = DEFAULT',
  "SET sql_mode = ''",
  "SET sql_mode = 'ANSI_QUOTES'",
  'SET sql_mode = DEFAULT',
  'SET foreign_key_checks = 0',
  'SET foreign_key_checks = 1, unique_checks = 0',
  'SET unique_checks = 1',
  'SET sql_select_limit = 2',
  'SET sql_select_limit = DEFAULT',
  'SET group_concat_max_len = 5',
  'SET group_concat_max_len = DEFAULT',
  'SET sort_buffer_size = 400000, wait_timeout = 5000',
  'SET NAMES latin1',
  'SET NAMES utf8mb4',
  'SET NAMES utf8mb4 COLLATE utf8mb4_bin',
  'SET character_set_results = NULL',
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
  'USE SCHEMA',
  'USE SCHEMA_2',
  'USE no_such_schema',
  'UPDATE SCHEMA.own_CLIENT SET v = v WHERE id = 1',
  'UPDATE SCHEMA.own_CLIENT SET v = v + 1',
  'INSERT INTO SCHEMA.own_CLIENT VALUES (1, 1)',
  'INSERT IGNORE INTO SCHEMA.own_CLIENT VALUES (1, 1), (2, 2)',
  'SELECT * FROM no_such_table',
  'SELEC 1',
  "SELECT CAST('x' AS SIGNED), 1/0",
  'DO 1',
  '#execute UPDATE SCHEMA.own_CLIENT SET v = v + ? WHERE id = ?',
  '#reset',
  // FOUND_ROWS() of before survives it on a server.
  '#change-user ;; SELECT 1',
];

/** What binds a session to its connection, or asks for what does. */
const BOUND = [
  ...CARRIED,
  ...AFTERWARDS,
  ...AFTERWARDS,
  'SELECT @x, @y, @p',
  'SELECT @x, @y, @p',
  'SET @x = 1',
  'SET @y = 2, @x = NULL',
  'SELECT @x := 5',
  'SELECT v INTO @y FROM SCHEMA.fixed WHERE id = 3',
  'INSERT INTO SCHEMA.counted (v) VALUES (1)',
  'INSERT INTO SCHEMA.counted (v) VALUES (1), (2), (3)',
  'SELECT LAST_INSERT_ID(900)',
  'CALL SCHEMA.adds(3)',
  'CALL SCHEMA.sets()',
  'BEGIN',
  'START TRANSACTION READ ONLY',
  'COMMIT',
  'ROLLBACK',
  'SET autocommit = 0',
  'SET autocommit = 1',
  'SET TRANSACTION READ ONLY',
  'SAVEPOINT a',
  'ROLLBACK TO a',
  'CREATE TEMPORARY TABLE SCHEMA.tmp (a INT)',
  'INSERT INTO SCHEMA.tmp VALUES (1)',
  'SELECT * FROM SCHEMA.tmp',
  'SELECT * FROM SCHEMA.tmp',
  'DROP TEMPORARY TABLE SCHEMA.tmp',
  "PREPARE p FROM 'SELECT 1, ?'",
  "PREPARE p FROM 'SELECT id FROM SCHEMA.fixed'",
  "PREPARE p FROM 'SET @y = 9'",
  'EXECUTE p USING @x',
  'EXECUTE p',
  'DEALLOCATE PREPARE p',
  'DEALLOCATE PREPARE p',
  'HANDLER SCHEMA.own_CLIENT OPEN AS h',
  'HANDLER h READ FIRST',
  'HANDLER h CLOSE',
  "SELECT GET_LOCK('SCHEMA_CLIENT', 10)",
  "DO GET_LOCK('SCHEMA_CLIENT_2', 10)",
  "SELECT RELEASE_LOCK('SCHEMA_CLIENT')",
  "DO RELEASE_LOCK('SCHEMA_CLIENT_2')",
  "SELECT IS_USED_LOCK('SCHEMA_CLIENT') IS NULL, IS_FREE_LOCK('SCHEMA_CLIENT_2')",
  'SELECT RELEASE_ALL_LOCKS()',
  'SELECT SQL_CALC_FOUND_ROWS id FROM SCHEMA.fixed LIMIT 1 ;; SELECT FOUND_ROWS()',
  'SELECT SQL_CALC_FOUND_ROWS id FROM SCHEMA.fixed LIMIT 2 ;; SELECT id FROM SCHEMA.fixed ;; SELECT FOUND_ROWS()',
  'CALL SCHEMA.finds() ;; SELECT FOUND_ROWS()',
  'SELECT FOUND_ROWS()',
  'SET insert_id = 5000',
  'SET timestamp = 1000000000',
  'SELECT NOW() < "2002-01-01"',
  'LOCK TABLES SCHEMA.own_CLIENT READ',
  'UNLOCK TABLES',
];

describe('many sessions on few connections', () => {
  for (const seed of [1, 2, 3]) {
    test(`see nothing of each other where everything can be carried over (seed ${seed})`, async () => {
      await compareTwins({ seed, clients: 8, poolMax: 2, steps: 500, statements: CARRIED, life: 60 });
    });
    test(`see nothing of each other where sessions bind connections and end (seed ${seed})`, async () => {
      await compareTwins({ seed, clients: 3, poolMax: 4, steps: 500, statements: BOUND, life: 25 });
    });
  }
});

/** `RWSPLIT_ISOLATION_SECONDS=3600 npm test -- test/integration/isolation.test.ts` goes on so long, with seeds from RWSPLIT_ISOLATION_SEED on. */
const FIRST_SEED = Number(process.env['RWSPLIT_ISOLATION_SEED'] ?? 1_000);
const MORE_SECONDS = Number(process.env['RWSPLIT_ISOLATION_SECONDS'] ?? 0);
if (MORE_SECONDS > 0) {
  test(
    `nothing is seen of other sessions in ${MORE_SECONDS} s of further schedules`,
    { timeout: (2 * MORE_SECONDS + 60) * 1000 },
    async () => {
      const until = Date.now() + MORE_SECONDS * 1000;
      let statements = 0;
      for (let seed = FIRST_SEED; Date.now() < until; seed++) {
        statements += await compareTwins({ seed, clients: 8, poolMax: 2, steps: 500, statements: CARRIED, life: 60 });
        statements += await compareTwins({ seed, clients: 3, poolMax: 4, steps: 500, statements: BOUND, life: 25 });
        const schedules = 2 * (seed - FIRST_SEED + 1);
        const isLast = Date.now() >= until;
        if (isLast || schedules % 100 === 0) process.stdout.write(`${schedules} schedules, ${statements} statements\n`);
      }
    },
  );
}

describe('the first question of a session', () => {
  const LEFT_BEHIND = [
    'INSERT IGNORE INTO own_0 VALUES (1, 1), (2, 2)',
    'INSERT INTO counted (v) VALUES (1), (2)',
    'UPDATE own_0 SET v = v + 1',
    'INSERT INTO own_0 VALUES (1, 1)',
    'SELECT SQL_CALC_FOUND_ROWS id FROM fixed LIMIT 1',
  ];
  const ASKED = [
    'SHOW WARNINGS',
    'SHOW COUNT(*) ERRORS',
    'SELECT @@warning_count',
    'SELECT ROW_COUNT()',
    'SELECT FOUND_ROWS()',
    'SELECT LAST_INSERT_ID()',
    'SELECT @@identity, 1',
    'GET DIAGNOSTICS @n = NUMBER ;; SELECT @n',
  ];
  for (const question of ASKED) {
    test(`is not answered with what another one has left: ${question}`, async () => {
      const proxy = await startProxy({ poolMax: 1 });
      for (const left of LEFT_BEHIND) {
        const before = await newTwin(proxy, 1);
        await outcome(before.proxied, left);
        await before.proxied.end();
        before.alone.destroy();
        const twin = await newTwin(proxy, 1);
        for (const statement of question.split(' ;; ')) {
          expect(await outcome(twin.proxied, statement), left).toBe(await outcome(twin.alone, statement));
        }
        endTwin(twin);
      }
    });
  }

  test('after COM_INIT_DB does not show the warnings of another one', async () => {
    const proxy = await startProxy({ poolMax: 1 });
    const login = { ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port };
    const other = await proxy.connect();
    await other.query('SELECT 1/0, 2/0 /* rwsplit: primary */');
    await other.end();
    const client = await RawClient.logIn(login);
    const [changed] = await client.command(Buffer.from('\x02mysql'), 'ok');
    expect(changed?.payload.readUInt16LE(5)).toBe(0);
    // A count, three definitions and the EOFs around no rows.
    expect(await client.query('SHOW WARNINGS')).toHaveLength(6);
  });
});

interface Schedule {
  readonly seed: number;
  readonly clients: number;
  readonly poolMax: number;
  readonly steps: number;
  readonly statements: readonly string[];
  /** Statements of one session at most. */
  readonly life: number;
}

/** @returns how many statements were compared */
async function compareTwins(schedule: Schedule): Promise<number> {
  const proxy = await startOnBusyMachine(schedule.poolMax);
  const twins: (Twin | undefined)[] = Array.from({ length: schedule.clients });
  try {
    return await compareOn(proxy, twins, schedule);
  } finally {
    twins.forEach(endTwin);
    await proxy.stop();
  }
}

async function compareOn(
  proxy: TestProxy,
  twins: (Twin | undefined)[],
  { seed, clients, steps, statements, life }: Schedule,
): Promise<number> {
  const random = randomNumbers(seed);
  const history: string[] = [];
  let compared = 0;
  for (let step = 0; step < steps; step++) {
    const who = Math.floor(random() * clients);
    const twin = (twins[who] ??= await newTwin(proxy, 1 + Math.floor(random() * life)));
    const chosen = statements[Math.floor(random() * statements.length)] ?? '';
    // Clients write to tables of their own, so that none waits for another.
    for (const statement of chosen.replaceAll('CLIENT', String(who)).split(' ;; ')) {
      history.push(`client ${who}: ${statement}`);
      const proxied = await outcome(twin.proxied, statement.replaceAll('SCHEMA', PROXIED));
      const alone = await outcome(twin.alone, statement.replaceAll('SCHEMA', ALONE));
      compared++;
      const own = history.filter((it) => it.startsWith(`client ${who}`)).slice(-30);
      expect(proxied, `seed ${seed}, step ${step}, of which the last of this client are:\n${own.join('\n')}\n`).toEqual(
        alone,
      );
    }
    if (--twin.statementsLeft > 0) continue;
    history.push(`client ${who} ends`);
    await Promise.all([twin.proxied.end(), twin.alone.end()]);
    twins[who] = undefined;
  }
  return compared;
}

/** Who goes on for an hour gives way to all else: that servers answer no start of a proxy in time is no difference. */
async function startOnBusyMachine(poolMax: number, attempts = 10): Promise<TestProxy> {
  try {
    return await startProxy({ poolMax });
  } catch (error) {
    if (attempts === 1) throw error;
    return startOnBusyMachine(poolMax, attempts - 1);
  }
}

function endTwin(twin: Twin | undefined): void {
  twin?.proxied.destroy();
  twin?.alone.destroy();
}

async function newTwin(proxy: { host: string; port: number }, statementsLeft: number): Promise<Twin> {
  const account: ConnectionOptions = { ...clusterInfo().accounts.app, rowsAsArray: true, dateStrings: true };
  const { host, port } = nodeInfo(0);
  return {
    proxied: await createConnection({ ...account, host: proxy.host, port: proxy.port, database: PROXIED }),
    alone: await createConnection({ ...account, host, port, database: ALONE }),
    statementsLeft,
  };
}

/** All that a client learns of a statement, with the schema's name as it is for both. */
async function outcome(connection: Connection, sql: string): Promise<string> {
  let seen: unknown;
  try {
    seen = await perform(connection, sql);
    // That a server says of a change that it then does not list is left to it.
    if (isOk(seen)) seen = withoutAside(seen, sql.startsWith('USE '));
  } catch (error) {
    seen = error instanceof Error ? error.message : error;
  }
  return JSON.stringify(seen).replaceAll(/isolation_[pa]/g, 'isolation');
}

/** A statement, or `#` and something else that a client can do. */
async function perform(connection: Connection, step: string): Promise<unknown> {
  if (step === '#reset') {
    await connection.reset();
    return 'reset';
  }
  if (step === '#change-user') {
    const { user, password } = clusterInfo().accounts.app;
    await connection.changeUser({ user, password, database: connection.config.database ?? '' });
    return 'changed';
  }
  const prepared = step.startsWith('#execute ');
  const [seen] = prepared ? await connection.execute(step.slice(9), [2, 3]) : await connection.query(step);
  return seen;
}

interface Ok {
  readonly serverStatus: number;
  readonly stateChanges?: { readonly systemVariables: object; readonly schema: unknown; readonly gtids: unknown[] };
}

function isOk(seen: unknown): seen is Ok {
  return typeof seen === 'object' && seen !== null && 'serverStatus' in seen && typeof seen.serverStatus === 'number';
}

/**
 * What a server says by the way, and as it likes, is left to it: that there is a change which it then does not list; and, after a
 * statement that was prepared in another schema, the session's own schema once more, some time later.
 */
function withoutAside({ stateChanges, ...ok }: Ok, changesSchema: boolean): object {
  const { systemVariables = {}, schema, gtids = [] } = stateChanges ?? {};
  const said = { systemVariables, gtids, schema: changesSchema ? schema : undefined };
  return { ...ok, serverStatus: ok.serverStatus & ~ServerStatus.SESSION_STATE_CHANGED, said };
}

/** Mulberry32: the same numbers for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
