import { Readable } from 'node:stream';
import type { Pool, PoolConnection, PoolOptions, Query, QueryOptions, RowDataPacket } from 'mysql2';
import type { Pool as PromisePool } from 'mysql2/promise';
import { vi } from 'vitest';
import { seenAs } from '../../driver/mysql2/seen-as.js';

/** What a behaviour is shown with: a pool of mysql2's or of ours, with the same options. */
export interface Subject {
  readonly open: (options?: PoolOptions) => Pool;
  /** Of a server that does not exist. */
  readonly openNowhere: () => Pool;
}

export type Behaviour = (subject: Subject) => Promise<unknown>;

interface Told {
  readonly error?: unknown;
  readonly rows?: unknown;
  readonly fields?: unknown;
}

const ERROR_FIELDS = ['code', 'errno', 'sqlState', 'sqlMessage', 'sql', 'fatal'] as const;

function errorOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const fields = ERROR_FIELDS.map((name) => [name, Reflect.get(error, name)]);
  return { message: error.message, ...Object.fromEntries(fields) };
}

const SESSION_STATE_CHANGED = 0x4000;

/** That something changed, without a word of what, is what servers tell of transactions to who does not know that tracker. */
function plain(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || !('serverStatus' in result)) return result;
  const { stateChanges, serverStatus, ...rest } = seenAs<{ stateChanges?: object; serverStatus: number }>(result);
  const changes = Object.entries(stateChanges ?? {}).filter(([, value]) => JSON.stringify(value ?? []).length > 2);
  return { ...rest, changes, serverStatus: serverStatus & ~SESSION_STATE_CHANGED };
}

function told(error: unknown, rows: unknown, fields: unknown): Told {
  const names = Array.isArray(fields) ? fields.map((it: { name?: string } | undefined) => it?.name) : fields;
  return { error: errorOf(error), rows: Array.isArray(rows) ? rows.map(plain) : plain(rows), fields: names };
}

type Callback = (error: unknown, rows: unknown, fields: unknown) => void;

async function ask(begin: (callback: Callback) => unknown): Promise<Told> {
  return new Promise((resolve) => {
    begin((error, rows, fields) => resolve(told(error, rows, fields)));
  });
}

async function connect(pool: Pool): Promise<PoolConnection> {
  return new Promise((resolve, reject) => {
    pool.getConnection((error, connection) => (error === null ? resolve(connection) : reject(error)));
  });
}

async function caught(work: () => unknown): Promise<unknown> {
  try {
    return { value: await work() };
  } catch (error) {
    return { thrown: errorOf(error) };
  }
}

async function drained(query: Query, options?: object): Promise<unknown> {
  const seen: unknown[] = [];
  const stream = query.stream(options);
  stream.on('fields', (fields: { name: string }[]) => seen.push(fields.map((it) => it.name)));
  stream.on('data', (row: unknown) => seen.push(row));
  stream.on('error', (error) => seen.push(errorOf(error)));
  await new Promise<void>((resolve) => {
    stream.once('close', () => resolve());
  });
  return seen;
}

/** The types leave out that each of these may be given. */
type Loose = Omit<QueryOptions, 'sql'> & { sql: string };

export const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  'query: each of its overloads': async ({ open }) => {
    const pool = open();
    return [
      await ask((callback) => pool.query('SELECT 1 AS a', callback)),
      await ask((callback) => pool.query('SELECT ? AS a', [2], callback)),
      await ask((callback) => pool.query({ sql: 'SELECT 3 AS a' }, callback)),
      await ask((callback) => pool.query({ sql: 'SELECT ? AS a', values: [4] }, callback)),
      await ask((callback) => pool.query({ sql: 'SELECT ? AS a' }, [5], callback)),
      await ask((callback) => pool.query('SELECT ? AS a', 6, callback)),
      await ask((callback) => pool.query('SELECT 1 AS a UNION ALL SELECT 2', callback)),
    ];
  },
  'execute: each of its overloads': async ({ open }) => {
    const pool = open();
    return [
      await ask((callback) => pool.execute('SELECT 1 AS a', callback)),
      await ask((callback) => pool.execute('SELECT ? AS a', [2], callback)),
      await ask((callback) => pool.execute({ sql: 'SELECT ? AS a', values: [4] }, callback)),
      await ask((callback) => pool.execute({ sql: 'SELECT ? AS a' }, [5], callback)),
      await ask((callback) => pool.execute('SELECT ? AS a', [null], callback)),
      pool.execute('SELECT 1', () => {}) === undefined,
    ];
  },
  'execute refuses what cannot be sent': async ({ open }) => {
    const pool = open().promise();
    const connection = await pool.getConnection();
    const bad: unknown[] = [[undefined], [(): void => {}], { a: 1 }];
    const refused = [];
    for (const values of bad) {
      refused.push(await caught(async () => pool.execute('SELECT ? AS a', seenAs<never>(values))));
      refused.push(await caught(async () => connection.execute('SELECT ? AS a', seenAs<never>(values))));
    }
    connection.release();
    return refused;
  },
  'results of writes': async ({ open }) => {
    const pool = open();
    await ask((callback) => pool.query('DROP TABLE IF EXISTS w', callback));
    const run = [
      await ask((callback) => pool.query('CREATE TABLE w (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9))', callback)),
      await ask((callback) => pool.query('INSERT INTO w (v) VALUES (?), (?)', ['a', 'b'], callback)),
      await ask((callback) => pool.execute('INSERT INTO w (v) VALUES (?)', ['c'], callback)),
      await ask((callback) => pool.query("UPDATE w SET v = 'd' WHERE id < 3", callback)),
      await ask((callback) => pool.query("UPDATE w SET v = 'd' WHERE id < 3", callback)),
      await ask((callback) => pool.query('INSERT INTO w SET ?', { v: 'object' }, callback)),
      await ask((callback) => pool.query('INSERT INTO w (v) VALUES ?', [[['x'], ['y']]], callback)),
      await ask((callback) => pool.query('SELECT v FROM ?? WHERE ?', ['w', { v: 'object' }], callback)),
      await ask((callback) => pool.query('DELETE FROM w', callback)),
    ];
    return run;
  },
  'values that cannot be put into a text': async ({ open }) => {
    const pool = open();
    const values = [Object.assign(Object.create(null), { a: 1 })];
    const connection = await connect(pool);
    const seen = [
      await ask((callback) => pool.query('SELECT ?', values, callback)),
      await ask((callback) => pool.query(seenAs<string>(undefined), callback)),
      await caught(() => connection.query('SELECT ?', values, () => {})),
      await ask((callback) => connection.query('SELECT 1 AS still', callback)),
    ];
    connection.release();
    return seen;
  },
  'errors of the server': async ({ open }) => {
    const pool = open();
    const connection = await connect(pool);
    const errors = [
      await ask((callback) => pool.query('SELECT * FROM nowhere', callback)),
      await ask((callback) => pool.execute('SELECT * FROM nowhere WHERE a = ?', [1], callback)),
      await ask((callback) => pool.query('SELEC 1', callback)),
      await ask((callback) => connection.query('SELECT * FROM nowhere', callback)),
      await ask((callback) => connection.execute('SELECT * FROM nowhere WHERE a = ?', [1], callback)),
      await ask((callback) => connection.query('SELECT 1 AS still', callback)),
    ];
    connection.release();
    return errors;
  },
  'streams of a pool': async ({ open }) => {
    const pool = open();
    const rows =
      'SELECT a.n + b.n * 10 AS n FROM (SELECT 1 AS n UNION SELECT 2) AS a, (SELECT 1 AS n UNION SELECT 2) AS b ORDER BY n';
    return [
      await drained(pool.query(rows)),
      await drained(pool.query(rows), { highWaterMark: 1 }),
      await drained(pool.query('SELECT * FROM nowhere')),
      await drained(pool.query({ sql: 'SELECT 1 AS a', rowsAsArray: true })),
    ];
  },
  'streams of a connection': async ({ open }) => {
    const connection = await connect(open());
    const seen = [
      await drained(connection.query('SELECT 1 AS a UNION ALL SELECT 2')),
      await drained(connection.execute('SELECT ? AS a UNION ALL SELECT 2', [1])),
      await drained(connection.query('SELECT * FROM nowhere')),
    ];
    connection.release();
    return seen;
  },
  'a stream may be given up': async ({ open }) => {
    const pool = open();
    const stream = pool.query('SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3').stream({ highWaterMark: 1 });
    const seen: unknown[] = [];
    for await (const row of stream) {
      seen.push(row);
      break;
    }
    return [seen, await ask((callback) => pool.query('SELECT 1 AS a', callback))];
  },
  'events of a query': async ({ open }) => {
    const pool = open();
    const seen: unknown[] = [];
    const query = pool.query('SELECT 1 AS a UNION ALL SELECT 2');
    query.on('fields', (fields: { name: string }[]) => seen.push(['fields', fields.map((it) => it.name)]));
    query.on('result', (row: unknown) => seen.push(['result', row]));
    await new Promise<void>((resolve) => {
      query.on('end', () => resolve());
    });
    return seen;
  },
  'a query is no promise': async ({ open }) => {
    const query = open().query('SELECT 1', () => {});
    // mysql2 says it on stdout, too.
    const said = vi.spyOn(console, 'log').mockImplementation(() => {});
    const result = await caught(async () => query);
    said.mockRestore();
    return result;
  },
  'options of a query': async ({ open }) => {
    const pool = open();
    const join = 'SELECT a.x, b.x FROM (SELECT 1 AS x) AS a, (SELECT 2 AS x) AS b';
    const each: Loose[] = [
      { sql: join, rowsAsArray: true },
      { sql: join, nestTables: true },
      { sql: join, nestTables: '_' },
      { sql: "SELECT DATE '2020-01-02' AS d", dateStrings: true },
      { sql: 'SELECT 9007199254740993 AS n', supportBigNumbers: true },
      { sql: 'SELECT 1 AS n', supportBigNumbers: true, bigNumberStrings: true },
      { sql: 'SELECT 1 AS n', typeCast: false },
      { sql: 'SELECT 1 AS n', typeCast: (field: { string(): string | null }) => `cast ${field.string()}` },
      { sql: 'SELECT :a AS n', namedPlaceholders: true, values: { a: 5 } },
      { sql: "SELECT ':a' AS t, :a AS n", namedPlaceholders: true, values: { a: "it's" } },
    ];
    const connection = await connect(pool);
    const seen = [];
    for (const options of each) {
      seen.push(await ask((callback) => pool.query(seenAs<QueryOptions>(options), callback)));
      seen.push(await ask((callback) => pool.execute(seenAs<QueryOptions>(options), callback)));
      seen.push(await ask((callback) => connection.query(seenAs<QueryOptions>(options), callback)));
      seen.push(await ask((callback) => connection.execute(seenAs<QueryOptions>(options), callback)));
    }
    connection.release();
    return seen;
  },
  'options of a pool': async ({ open }) => {
    const seen = [];
    for (const options of [
      { rowsAsArray: true },
      { namedPlaceholders: true },
      { dateStrings: true },
      { decimalNumbers: true },
      { nestTables: true },
      { timezone: '+05:00' },
      { queryFormat: (text: string, values: unknown) => text.replace('{}', JSON.stringify(values)) },
    ] as PoolOptions[]) {
      const pool = open(options);
      const sql = "SELECT 1.5 AS n, DATE '2020-01-02' AS d";
      seen.push(await ask((callback) => pool.query(sql, callback)));
      seen.push(await ask((callback) => pool.execute(sql, callback)));
      if (options.namedPlaceholders === true) {
        seen.push(await ask((callback) => pool.query('SELECT :a AS a', { a: 'x' }, callback)));
        seen.push(await ask((callback) => pool.execute('SELECT :a AS a', seenAs<never>({ a: 'x' }), callback)));
      }
      if (options.queryFormat !== undefined)
        seen.push(await ask((callback) => pool.query('SELECT {} AS a', 7, callback)));
    }
    return seen;
  },
  'several statements': async ({ open }) => {
    const pool = open({ multipleStatements: true });
    return [
      await ask((callback) => pool.query('SELECT 1 AS a; SELECT 2 AS b', callback)),
      await ask((callback) => pool.query('SET @a = 1; SELECT @a AS a; DO 0', callback)),
      await ask((callback) => pool.query('SELECT 1 AS a; SELEC 2', callback)),
      await drained(pool.query('SELECT 1 AS a; SELECT 2 AS b')),
    ];
  },
  'a file from the application': async ({ open }) => {
    const pool = open();
    await ask((callback) => pool.query('CREATE TABLE IF NOT EXISTS f (v INT)', callback));
    await ask((callback) => pool.query('TRUNCATE f', callback));
    const sql = "LOAD DATA LOCAL INFILE 'numbers' INTO TABLE f";
    const options = { sql, infileStreamFactory: () => Readable.from([Buffer.from('1\n2\n'), Buffer.from('3\n')]) };
    return [
      await ask((callback) => pool.query(seenAs<QueryOptions>(options), callback)),
      await ask((callback) => pool.query('SELECT SUM(v) AS sum FROM f', callback)),
      await ask((callback) => pool.query(sql, callback)),
    ];
  },
  'a procedure with several results': async ({ open }) => {
    const pool = open();
    await ask((callback) => pool.query('DROP PROCEDURE IF EXISTS several', callback));
    await ask((callback) => pool.query('CREATE PROCEDURE several() BEGIN SELECT 1 AS a; SELECT 2 AS b; END', callback));
    return [
      await ask((callback) => pool.query('CALL several()', callback)),
      await ask((callback) => pool.execute('CALL several()', callback)),
    ];
  },
  'a time-out of a query': async ({ open }) =>
    ask((callback) => open().query({ sql: 'SELECT SLEEP(2) AS s', timeout: 50 }, callback)),
  'transactions of a connection': async ({ open }) => {
    const pool = open();
    const connection = await connect(pool);
    await ask((callback) => connection.query('CREATE TABLE IF NOT EXISTS t (v INT)', callback));
    await ask((callback) => connection.query('TRUNCATE t', callback));
    const seen = [
      await ask((callback) => connection.beginTransaction(seenAs<never>(callback))),
      await ask((callback) => connection.query('INSERT INTO t VALUES (1)', callback)),
      await ask((callback) => connection.query('SELECT * FROM t', callback)),
      await ask((callback) => connection.rollback(seenAs<never>(callback))),
      await ask((callback) => connection.query('SELECT * FROM t', callback)),
      await ask((callback) => connection.beginTransaction(seenAs<never>(callback))),
      await ask((callback) => connection.execute('INSERT INTO t VALUES (?)', [2], callback)),
      await ask((callback) => connection.commit(seenAs<never>(callback))),
      await ask((callback) => connection.execute('SELECT * FROM t', callback)),
    ];
    connection.release();
    return seen;
  },
  'events of a pool, as connections come and go': async ({ open }) => {
    const pool = open({ connectionLimit: 1 });
    // What is found out before the first statement is not what is shown here.
    await ask((callback) => pool.query('SET @a = 1', callback));
    const seen: string[] = [];
    for (const event of ['connection', 'acquire', 'enqueue', 'release']) pool.on(event, () => seen.push(event));
    const write = async (name: string): Promise<void> => {
      await ask((callback) => pool.query('SET @a = 1', callback));
      seen.push(name);
    };
    await Promise.all([write('first'), write('second'), write('third')]);
    return seen;
  },
  'bounds of a pool': async ({ open }) => {
    const strict = open({ connectionLimit: 1, waitForConnections: false });
    const queued = open({ connectionLimit: 1, queueLimit: 1 });
    const seen = [];
    for (const pool of [strict, queued]) {
      const connection = await connect(pool);
      const waiting = caught(async () => connect(pool));
      const refused = caught(async () => connect(pool));
      seen.push(await refused);
      connection.release();
      const got = await waiting;
      seen.push(typeof got === 'object' && got !== null && 'thrown' in got ? got : 'a connection');
    }
    return seen;
  },
  'what is asked of a pool that was ended': async ({ open }) => {
    const pool = open();
    await ask((callback) => pool.query('SELECT 1', callback));
    const ended = await ask((callback) => pool.end(seenAs<never>(callback)));
    return [
      ended.error,
      await ask((callback) => pool.query('SELECT 1', callback)),
      await ask((callback) => pool.execute('SELECT 1', callback)),
      await caught(async () => connect(pool)),
    ];
  },
  'a server that is not there': async ({ openNowhere }) => {
    const pool = openNowhere();
    const [query, execute] = [
      await ask((callback) => pool.query('SELECT 1', callback)),
      await ask((callback) => pool.execute('INSERT INTO t VALUES (1)', callback)),
    ];
    const codes = [query, execute].map(({ error }) => {
      const { code, fatal } = seenAs<{ code: unknown; fatal: unknown }>(error);
      return { code, fatal };
    });
    return [codes, await caught(async () => connect(pool).catch((error: { code: unknown }) => error.code))];
  },
  'a connection that is killed': async ({ open }) => {
    const pool = open();
    const [victim, killer] = [await connect(pool), await connect(pool)];
    victim.on('error', () => {});
    const [[row]] = await victim.promise().query<RowDataPacket[]>('SELECT CONNECTION_ID() AS id');
    const running = ask((callback) => victim.query('SELECT SLEEP(5) AS s FOR UPDATE', callback));
    await ask((callback) => killer.query(`KILL ${Number(row?.['id'])}`, callback));
    killer.release();
    const { error } = await running;
    return { ...seenAs<object>(error), sql: undefined };
  },
  'prepared statements': async ({ open }) => {
    const connection = await open().promise().getConnection();
    const statement = await connection.prepare('SELECT ? + ? AS n');
    const seen = [(await statement.execute([1, 2]))[0], (await statement.execute([3, 4]))[0]];
    await statement.close();
    const failed = await caught(async () => connection.prepare('SELECT * FROM nowhere'));
    connection.unprepare('SELECT 1');
    connection.release();
    return [seen, failed];
  },
  'reset, ping and changeUser': async ({ open }) => {
    const connection = await open().promise().getConnection();
    const ask = async (sql: string): Promise<unknown> => (await connection.query(sql))[0];
    const seen = [await connection.ping(), await ask('SET @a = 5'), await ask('SELECT @a AS a')];
    await connection.reset();
    seen.push(await ask('SELECT @a AS a'));
    await connection.changeUser({ database: 'information_schema' });
    seen.push(await ask('SELECT DATABASE() AS d'));
    connection.destroy();
    return seen;
  },
  'a pool that gives promises': async ({ open }) => {
    const pool: PromisePool = open().promise();
    const [rows, fields] = await pool.query('SELECT 1 AS a');
    const connection = await pool.getConnection();
    const seen = [
      rows,
      fields.map(({ name }) => name),
      (await pool.execute('SELECT ? AS a', [1]))[0],
      (await connection.query('SELECT 2 AS a'))[0],
      (await connection.execute('SELECT ? AS a', [3]))[0],
      await caught(async () => pool.query('SELEC')),
      await caught(async () =>
        pool.query(
          'SELECT 1',
          seenAs<never>(() => {}),
        ),
      ),
      connection.constructor.name,
      typeof connection.threadId,
    ];
    pool.releaseConnection(connection);
    return [...seen, await caught(async () => pool.end())];
  },
  'helpers of a pool and a connection': async ({ open }) => {
    const pool = open();
    const connection = await connect(pool);
    const seen = [pool, connection].map((it) => [
      it.escape("it's"),
      it.escapeId('a`b'),
      it.format('SELECT ? FROM ??', [1, 'a.b']),
    ]);
    connection.release();
    return seen;
  },
  'SHOW WARNINGS and its like after each kind of statement': async ({ open }) => {
    const connection = await open().promise().getConnection();
    const seen = [];
    for (const sql of [
      "SELECT 1 + 'x' AS n",
      'SHOW WARNINGS',
      'SELECT 1 AS n UNION ALL SELECT 2',
      'SELECT FOUND_ROWS() AS n',
      'SELECT ROW_COUNT() AS n',
      'CREATE TEMPORARY TABLE w (id INT AUTO_INCREMENT PRIMARY KEY)',
      'INSERT INTO w VALUES (), ()',
      'SELECT ROW_COUNT() AS n',
      'SELECT LAST_INSERT_ID() AS n',
      'SELECT @@warning_count AS n',
    ]) {
      seen.push((await connection.query(sql))[0]);
    }
    connection.destroy();
    return seen;
  },
  'a pool that a block disposes of': async ({ open }) => {
    const pool = open();
    await ask((callback) => pool.query('SELECT 1', callback));
    pool[Symbol.dispose]();
    return ask((callback) => pool.query('SELECT 1', callback));
  },
};
