// Ordinary work of an application on Node.js, in several sessions that read what another one has left.
//   mysql2-sessions.mjs HOST PORT USER SCHEMA OTHER_USER OTHER_PASSWORD
import { readFileSync } from 'node:fs';
import { createConnection as createCallbackConnection } from 'mysql2';
import { createConnection, createPool } from 'mysql2/promise';

const [, , host, port, user, schema, otherUser, otherPassword] = process.argv;
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

// Rows as a stream, taken slowly.
const stream = createCallbackConnection(login);
for (const way of ['query', 'execute']) {
  let sum = 0;
  const rows = stream[way](
    'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT("y", 3000) AS y FROM n',
  );
  for await (const { i, y } of rows.stream({ highWaterMark: 1 })) sum += i + y.length;
  show(`streamed by ${way}`, sum);
}
// Asked before the one in front was answered.
const answers = await Promise.all(
  [1, 2, 3, 4, 5].map(
    (n) =>
      new Promise((resolve) =>
        stream.query(`SELECT ${n} AS n, (SELECT COUNT(*) FROM t) AS c`, (_error, rows) => resolve(rows)),
      ),
  ),
);
show('one behind the other', answers);
await new Promise((resolve) => stream.end(resolve));

const pool = createPool({ ...login, connectionLimit: 3, namedPlaceholders: true });
const found = await Promise.all(
  Array.from({ length: 30 }, (_, n) => pool.execute('SELECT :n + 0 AS n, s FROM t WHERE id = :id', { n, id: 1 })),
);
show(
  'pool',
  found.map(([rows]) => rows),
);
await pool.end();

for (const [what, options] of [
  ['wrong password', { password: 'wrong' }],
  ['no such user', { user: 'nobody' }],
  ['no such schema', { database: 'no_such_schema' }],
])
  await fails(what, async () => (await createConnection({ ...login, ...options })).end());
for (const options of [
  { charset: 'latin1' },
  { flags: ['-FOUND_ROWS'] },
  { flags: ['-DEPRECATE_EOF'] },
  { charset: 'utf8mb4_bin', timezone: 'Z' },
]) {
  const one = await createConnection({ ...login, ...options });
  show('connected with', [options, (await one.query('SELECT s, @@collation_connection FROM t WHERE id = 1'))[0]]);
  show('updated', (await one.execute('UPDATE t SET id = id WHERE id = ?', [1]))[0]);
  await one.end();
}

// From one user to the next on one connection.
const changing = await createConnection(login);
await changing.query("SET @v = 'kept', time_zone = '+05:30'");
await changing.query('CREATE TEMPORARY TABLE tmp (a INT)');
await changing.execute('SELECT ? AS prepared', [1]);
const whoAndWhat = () =>
  changing.query('SELECT CURRENT_USER() AS user, DATABASE() AS db, @v, @@time_zone = "+05:30" AS zone');
await changing.changeUser({ database: 'information_schema' });
show('same user', (await whoAndWhat())[0]);
await fails('temporary no more', () => changing.query(`SELECT * FROM ${schema}.tmp`));
show('prepared anew', (await changing.execute('SELECT ? AS prepared', [2]))[0]);
await changing.changeUser({ user: otherUser, password: otherPassword, database: schema });
show('other user', (await whoAndWhat())[0]);
await fails('may not', () => changing.query('INSERT INTO t (s) VALUES ("x")'));
show('reads', (await changing.query('SELECT COUNT(*) > 0 AS some FROM t'))[0]);
await changing.changeUser({ user, password: MYSQL_PWD, database: schema });
show('back again', (await whoAndWhat())[0]);
show('writes', (await changing.query('UPDATE t SET id = id WHERE id = 1'))[0]);
await fails('wrong password', () => changing.changeUser({ user: otherUser, password: 'wrong', database: schema }));
