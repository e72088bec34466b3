import { spawn, spawnSync } from 'node:child_process';
import { buffer, text } from 'node:stream/consumers';
import { beforeAll, describe, expect, test } from 'vitest';
import { clusterInfo, freshSchema } from '../cluster.js';
import { startProxy, type TestProxy } from '../proxy.js';

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('clients');
  await freshSchema('clients_2');
  proxy = await startProxy();
});

/** Clients of other makers, by what each prints. */
async function run(command: string, args: readonly string[], input: string): Promise<{ out: string; code: number }> {
  const { password } = clusterInfo().accounts.app;
  const child = spawn(command, args, { env: { ...process.env, MYSQL_PWD: password }, stdio: 'pipe' });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', () => reject(new Error(`${command} is missing: install mariadb-client and python3-pymysql`)));
  });
  await started;
  child.stdin.end(input);
  const ended = new Promise<number>((resolve) => {
    child.once('close', (code) => resolve(code ?? -1));
  });
  const [out, errors, code] = await Promise.all([text(child.stdout), buffer(child.stderr), ended]);
  return { out: out + errors.toString(), code };
}

describe("MariaDB's command line client", () => {
  const args = (): string[] => {
    const { user } = clusterInfo().accounts.app;
    return [
      '--no-defaults',
      '--skip-ssl',
      '-h',
      proxy.host,
      '-P',
      String(proxy.port),
      '-u',
      user,
      '-N',
      '-B',
      'clients',
    ];
  };

  test('logs in, writes, reads in a transaction, and sees warnings and errors', async () => {
    const { out, code } = await run(
      'mariadb',
      args(),
      `CREATE TABLE m (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20));
       BEGIN;
       INSERT INTO m (v) VALUES ('one'), ('zwei');
       SELECT * FROM m ORDER BY id;
       SELECT LAST_INSERT_ID();
       COMMIT;
       SELECT DATABASE();
       SELECT 1/0; SHOW WARNINGS;
       SELECT REPEAT('x', 100000);
       USE clients_2
       SELECT DATABASE();
       SELECT @@server_id > 1;
       SELECT * FROM no_such_table;`,
    );
    expect(out.replace(/x{100000}/, 'x…')).toBe(
      "1\tone\n2\tzwei\n1\nclients\nNULL\nWarning\t1365\tDivision by 0\nx…\nclients_2\n1\n--------------\nSELECT * FROM no_such_table\n--------------\n\nERROR 1146 (42S02) at line 13: Table 'clients_2.no_such_table' doesn't exist\n",
    );
    expect(code).toBe(1);
  });

  test('is refused with a wrong password', async () => {
    const [, ...rest] = args();
    const { out, code } = await run('mariadb', ['--no-defaults', ...rest, '--password=wrong'], 'SELECT 1');
    expect(out).toMatch(/ERROR 1045 \(28000\): Access denied for user 'app'@'127.0.0.1' \(using password: YES\)/);
    expect(code).toBe(1);
  });
});

describe('PyMySQL', () => {
  /** The interpreter that has the module: not the first on every machine's PATH. */
  function python(): string {
    const found = ['/usr/bin/python3', 'python3'].find(
      (name) => spawnSync(name, ['-c', 'import pymysql, cryptography']).status === 0,
    );
    if (found === undefined) throw new Error('PyMySQL is missing: install python3-pymysql and python3-cryptography');
    return found;
  }

  test('logs in, writes, reads, streams, and calls a procedure', async () => {
    const script = `
import os, pymysql
c = pymysql.connect(host='${proxy.host}', port=${proxy.port}, user='${clusterInfo().accounts.app.user}', password=os.environ['MYSQL_PWD'], database='clients', autocommit=False)
with c.cursor() as k:
    k.execute('CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100), b BLOB)')
    k.executemany('INSERT INTO p (v, b) VALUES (%s, %s)', [('ünï', b'\\x00\\xff'), ("it's", None)])
    print(k.rowcount, k.lastrowid)
    k.execute('SELECT v, b FROM p ORDER BY id')
    print(k.fetchall())
c.rollback()
with c.cursor() as k:
    k.execute('SELECT COUNT(*) FROM p')
    print(k.fetchone())
c.autocommit(True)
with c.cursor() as k:
    k.execute('CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END')
    k.callproc('two')
    print(k.fetchall(), k.nextset(), k.fetchall())
with c.cursor(pymysql.cursors.SSCursor) as k:
    k.execute('WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT("y", 1000) FROM n')
    print(sum(row[0] for row in k))
c.ping()
c.select_db('clients_2')
with c.cursor() as k:
    k.execute('SELECT DATABASE(), @@server_id > 1')
    print(k.fetchone())
try:
    with c.cursor() as k: k.execute('SELECT * FROM no_such_table')
except pymysql.err.ProgrammingError as e: print(e.args[0])
c.close()
`;
    const { out, code } = await run(python(), ['-'], script);
    expect(out).toBe(
      "2 1\n(('ünï', b'\\x00\\xff'), (\"it's\", None))\n(0,)\n((1,),) True ((2,),)\n405450\n('clients_2', 1)\n1146\n",
    );
    expect(code).toBe(0);
  });
});
