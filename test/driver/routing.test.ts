import { beforeAll, expect, test } from 'vitest';
import { freshSchema, untilReplicated } from '../cluster.js';
import { openPool, ranOn, type Row } from './driver.js';

beforeAll(async () => {
  const schema = await freshSchema('driver_routing');
  const pool = openPool({ database: schema });
  await pool.query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
  await untilReplicated();
});

test('reads of a pool run on both replicas, writes and locking reads on the primary', async () => {
  const pool = openPool({ database: 'driver_routing' });
  const reads = new Set<number>();
  for (let i = 0; i < 6; i++) reads.add(await ranOn(pool));
  expect(reads).toEqual(new Set([2, 3]));
  expect(await ranOn(pool, 'FROM t LIMIT 1 FOR UPDATE')).toBe(NaN);
  expect(await ranOn(pool, 'FOR UPDATE')).toBe(1);
  const [result] = await pool.execute('INSERT INTO t (v) VALUES (?)', [7]);
  expect(result).toMatchObject({ affectedRows: 1, insertId: 1 });
});

test('a pool sees at once what was written through it', async () => {
  const pool = openPool({ database: 'driver_routing' });
  await pool.query('TRUNCATE t');
  for (let i = 0; i < 50; i++) {
    await pool.execute('INSERT INTO t (v) VALUES (?)', [i]);
    const [rows] = await pool.query<Row[]>('SELECT COUNT(*) AS n, @@server_id AS id FROM t');
    expect(rows[0]?.['n']).toBe(i + 1);
    expect(rows[0]?.['id']).not.toBe(1);
  }
});
