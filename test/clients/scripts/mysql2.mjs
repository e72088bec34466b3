// Ordinary work of an application on Node.js, in one session.
//   mysql2.mjs HOST PORT USER SCHEMA
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { createConnection } from 'mysql2/promise';

const [, , host, port, user, schema] = process.argv;
const { MYSQL_PWD, WAY_CA, WAY_COMPRESSION } = process.env;
const way = {
  ...(WAY_CA === undefined ? {} : { ssl: { ca: readFileSync(WAY_CA) } }),
  ...(WAY_COMPRESSION === undefined ? {} : { compress: true }),
};
const login = { host, port: Number(port), user, password: MYSQL_PWD, database: schema, ...way };

function show(what, value) {
  const text = JSON.stringify(value, (_key, it) => {
    if (it?.type === 'Buffer') return `bytes ${Buffer.from(it.data).toString('hex')}`;
    return typeof it === 'bigint' ? `${it}n` : it;
  });
  process.stdout.write(`${what}: ${text}\n`);
}

async function fails(what, work) {
  try {
    await work();
    show(what, 'no error');
  } catch (error) {
    show(what, [error.code, error.errno, error.sqlState, error.sqlMessage]);
  }
}

/** Field packets without what is about their place in a buffer. */
function fieldsOf(fields) {
  return fields.map(
    ({ name, orgName, table, orgTable, schema: db, type, columnType, flags, decimals, characterSet, columnLength }) => [
      ...[name, orgName, table, orgTable, db, type ?? columnType, flags, decimals, characterSet, columnLength],
    ],
  );
}

const c = await createConnection({ ...login, multipleStatements: true, supportBigNumbers: true, dateStrings: true });
const [created] = await c.query(
  `CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, i BIGINT, u BIGINT UNSIGNED, n DECIMAL(20,4), f DOUBLE, s VARCHAR(100), b LONGBLOB,
   at DATETIME(6), day DATE, dur TIME(3), j JSON, bits BIT(12), y YEAR) CHARACTER SET utf8mb4`,
);
show('created', created);
const ROWS = [
  [
    '-9223372036854775808',
    '18446744073709551615',
    '1234.5678',
    -1.5e300,
    'ünï 🍞',
    Buffer.from([0, 255, 39]),
    '2024-02-29 12:34:56.000789',
    '1999-12-31',
    '-30:00:00.5',
    '{"a": [1, null]}',
    Buffer.from([2, 1]),
    1999,
  ],
  Array.from({ length: 12 }, () => null),
  [0, 0, 0, 0, '', Buffer.alloc(0), null, null, '00:00:00', '[]', Buffer.from([0, 0]), 0],
];
const COLUMNS = '(i, u, n, f, s, b, at, day, dur, j, bits, y)';
for (const row of ROWS) {
  const [inserted] = await c.execute(`INSERT INTO t ${COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, row);
  show('inserted', inserted);
}
show('bulk', (await c.query(`INSERT INTO t ${COLUMNS} VALUES ?`, [ROWS]))[0]);
for (const way of ['query', 'execute']) {
  const [rows, fields] = await c[way]('SELECT * FROM t WHERE id > ? ORDER BY id', [0]);
  show(way, rows);
  show('fields', fieldsOf(fields));
  for (const value of [1, '2', null, 3n, new Date(0)])
    show('by', (await c[way]('SELECT id FROM t WHERE id = ?', [value]))[0]);
  show('arrays', (await c[way]({ sql: 'SELECT id, s FROM t ORDER BY id', rowsAsArray: true }))[0]);
  show(
    'nested',
    (await c[way]({ sql: 'SELECT a.id, b.id FROM t a JOIN t b ON a.id = b.id ORDER BY 1', nestTables: '_' }))[0],
  );
  await fails('no table', () => c[way]('SELECT * FROM no_such_table'));
  await fails('syntax', () => c[way]('SELEKT 1'));
  await fails('duplicate', () => c[way]('INSERT INTO t (id) VALUES (1)'));
  await fails('interrupted', () =>
    c[way](
      'SELECT /*+ MAX_EXECUTION_TIME(50) */ COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c',
    ),
  );
}
show(
  'several',
  await c
    .query("INSERT INTO t (s) VALUES ('multi'); SELECT LAST_INSERT_ID(); SELECT 1/0; SHOW WARNINGS")
    .then(([all]) => all),
);
await fails('second of three', () => c.query('SELECT 1; SELECT * FROM no_such_table; SELECT 3'));
await c.query('CREATE PROCEDURE two(IN a INT, OUT o INT) BEGIN SELECT a; SELECT a + 1, "x"; SET o = a + 2; END');
show('called', (await c.query('CALL two(5, @o); SELECT @o'))[0]);
show('called prepared', (await c.execute('CALL two(?, @o)', [7]))[0]);

const statement = await c.prepare('SELECT s, ? AS given FROM t WHERE id = ?');
for (const values of [
  ['a', 1],
  [null, 2],
  [5, 3],
  ['b', 99],
])
  show('prepared', (await statement.execute(values))[0]);
await statement.close();

await c.beginTransaction();
await c.execute("UPDATE t SET s = 'changed' WHERE id = 1");
show('within', (await c.query('SELECT s FROM t WHERE id = 1'))[0]);
await c.rollback();
show('rolled back', (await c.execute('SELECT s FROM t WHERE id = ?', [1]))[0]);
await c.query('START TRANSACTION READ ONLY');
show('read only', (await c.query('SELECT COUNT(*) AS c FROM t'))[0]);
await fails('write in it', () => c.query('DELETE FROM t'));
await c.commit();

for (const size of [0, 250, 251, 65_536, 2 ** 24 - 20, 2 ** 24 - 1, 2 ** 24, 20_000_000]) {
  const blob = Buffer.alloc(size, '0123456789abcdef');
  const digest = createHash('sha256').update(blob).digest('hex');
  for (const way of ['query', 'execute']) {
    await c[way]('REPLACE INTO t (id, b) VALUES (?, ?)', [2000, blob]);
    const [[row]] = await c[way]('SELECT LENGTH(b) AS bytes, SHA2(b, 256) AS digest, b FROM t WHERE id = ?', [2000]);
    show(`${way} ${size}`, [row.bytes, row.digest === digest, row.b.equals(blob)]);
  }
}
await c.query('DELETE FROM t WHERE id = 2000');
const file = () => Readable.from(['1000\tvom Datei\n', '1001\tein ', 'zweiter\n'].map((line) => Buffer.from(line)));
show(
  'loaded',
  (await c.query({ sql: "LOAD DATA LOCAL INFILE 'any' INTO TABLE t (id, s)", infileStreamFactory: file }))[0],
);
show('of the file', (await c.query('SELECT id, s FROM t WHERE id >= 1000'))[0]);
show(
  'empty file',
  (
    await c.query({
      sql: "LOAD DATA LOCAL INFILE 'any' INTO TABLE t (id, s)",
      infileStreamFactory: () => Readable.from([]),
    })
  )[0],
);
await c.query("SET @v = 'kept', time_zone = '+05:30'");
show('session', (await c.query('SELECT @v, @@time_zone, DATABASE()'))[0]);
await c.ping();
await c.reset();
show('after a reset', (await c.query('SELECT @v, @@time_zone = "+05:30" AS zone, DATABASE()'))[0]);
await c.end();
