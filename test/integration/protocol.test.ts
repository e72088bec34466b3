import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { framePackets } from '../../src/protocol/framing.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { eventually, startProxy, value, type Row, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

const NUMBERS = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT';

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('protocol');
  proxy = await startProxy({ poolMax: 2 });
  const writer = await connectDirect(0, { database: 'protocol' });
  await writer.query('CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(50))');
  await writer.query('CREATE TABLE loaded (a INT, b VARCHAR(50))');
  await writer.query('CREATE PROCEDURE two() BEGIN SELECT 1 AS a; SELECT 2 AS b; END');
  await untilReplicated();
});

function rawLogin(capabilities = Capability.DEPRECATE_EOF | Capability.MULTI_STATEMENTS) {
  return { ...clusterInfo().accounts.app, host: proxy.host, port: proxy.port, database: 'protocol', capabilities };
}

describe('commands', () => {
  test('that come before the first was answered are answered in order', async () => {
    const raw = await RawClient.logIn(rawLogin());
    const queries = [
      'SELECT 1',
      "SET time_zone = '+01:00'",
      'SELECT @@time_zone',
      'SELEC',
      'BEGIN',
      'SELECT 2',
      'COMMIT',
    ];
    raw.socket.write(Buffer.concat(queries.map((sql) => framePackets(raw.queryPayload(sql), 0))));
    const answers: string[] = [];
    for (const _query of queries) {
      const packets = await raw.answer('result');
      answers.push(
        packets.length === 1 ? `${packets[0]?.payload[0]}` : (packets.at(-2)?.payload.subarray(1).toString() ?? ''),
      );
    }
    expect(answers).toEqual(['1', '0', '+01:00', '255', '0', '2', '0']);
  });

  test('with several statements have all their results', async () => {
    const client = await proxy.connect({ database: 'protocol', multipleStatements: true });
    const [results] = await client.query<Row[][]>(
      "INSERT INTO t VALUES (1, 'x'); SELECT v FROM t WHERE id = 1; SELECT 3 AS c",
    );
    expect(results).toMatchObject([{ affectedRows: 1 }, [{ v: 'x' }], [{ c: 3 }]]);
    const [called] = await client.query<Row[][]>('CALL two()');
    expect(called).toMatchObject([[{ a: 1 }], [{ b: 2 }], {}]);
    expect(await value(client, 'SELECT 1')).toBe(1);
  });

  test('that are no statements are answered: ping, statistics, reset, an unknown one', async () => {
    const raw = await RawClient.logIn(rawLogin());
    expect((await raw.command([14], 'ok'))[0]?.payload[0]).toBe(0);
    expect((await raw.command([9], 'one'))[0]?.payload.toString()).toMatch(/^Uptime: \d+ /);
    expect((await raw.command([31], 'ok'))[0]?.payload[0]).toBe(0);
    expect((await raw.command([0x7e], 'ok'))[0]?.payload.readUInt16LE(1)).toBe(1047);
    expect((await raw.query('SELECT 1')).length).toBe(4);
  });

  test('out of order end the session, and no other', async () => {
    const raw = await RawClient.logIn(rawLogin());
    raw.send(raw.queryPayload('SELECT 1'), 3);
    await raw.ended();
    const client = await proxy.connect();
    expect(await value(client, 'SELECT 1')).toBe(1);
  });
});

describe('LOAD DATA LOCAL', () => {
  test("takes the client's file, of any length", async () => {
    const client = await proxy.connect({ database: 'protocol' });
    const lines = Array.from({ length: 50_000 }, (_, i) => Buffer.from(`${i}\tline ${i}\n`));
    const load = async (chunks: Buffer[]): Promise<void> => {
      await client.query({
        sql: "LOAD DATA LOCAL INFILE 'anything' INTO TABLE loaded",
        infileStreamFactory: () => Readable.from(chunks),
      });
    };
    await load(lines);
    await load([]);
    const direct = await connectDirect(0, { database: 'protocol' });
    expect(await value(direct, 'SELECT COUNT(*) FROM loaded')).toBe(50_000);
    expect(await value(direct, 'SELECT b FROM loaded WHERE a = 49999')).toBe('line 49999');
    expect(await value(client, 'SELECT 1')).toBe(1);
  });

  test('that the server refuses half-way leaves the session in order', async () => {
    const client = await proxy.connect({ database: 'protocol' });
    await expect(
      client.query({
        sql: "LOAD DATA LOCAL INFILE 'anything' INTO TABLE no_such_table",
        infileStreamFactory: () => Readable.from([Buffer.from('1\tx\n')]),
      }),
    ).rejects.toMatchObject({ errno: 1146 });
    expect(await value(client, 'SELECT 1')).toBe(1);
  });
});

describe('large messages', () => {
  for (const bytes of [0xfffffe, 0xffffff, 0x1000000, 0x1ffffff]) {
    test(`of ${bytes} bytes pass whole both ways`, async () => {
      const raw = await RawClient.logIn(rawLogin());
      const head = "SELECT LENGTH('";
      const tail = "')";
      const filler = bytes - 1 - head.length - tail.length;
      const [, , sent] = await raw.query(
        Buffer.concat([Buffer.from(head), Buffer.alloc(filler, 'x'), Buffer.from(tail)]),
      );
      expect(sent?.payload.subarray(1).toString()).toBe(String(filler));

      const length = bytes - 4 - (bytes > 0xffffff + 4 ? 5 : 0);
      const direct = await RawClient.logIn({ ...rawLogin(), host: nodeInfo(0).host, port: nodeInfo(0).port });
      const sizes: number[][] = [];
      for (const client of [raw, direct]) {
        const packets = await client.query(`SELECT REPEAT('y', ${length}) UNION ALL SELECT 'after'`);
        sizes.push(packets.map(({ payload }) => payload.length));
        expect(packets.slice(2).every(({ sequenceId }, i) => sequenceId === i + 3)).toBe(true);
      }
      expect(sizes[0]).toEqual(sizes[1]);
      expect((await raw.query('SELECT 1')).length).toBe(4);
    });
  }

  test('of 20 MB are the same bytes on both sides', async () => {
    const client = await proxy.connect();
    const sent = Buffer.alloc(20_000_000, 'rwsplit \0\xff\xfe');
    const [rows] = await client.execute<Row[]>('SELECT CAST(? AS BINARY) AS back, SHA2(?, 256) AS sum', [sent, sent]);
    expect(rows[0]?.['sum']).toBe(createHash('sha256').update(sent).digest('hex'));
    expect(sent.equals(rows[0]?.['back'])).toBe(true);
  });

  test('do not pile up in the proxy when the client reads slowly', async () => {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('gc');
    const bufferedBytes = (): number => {
      if (typeof gc === 'function') gc();
      return process.memoryUsage().arrayBuffers;
    };
    // 128 MB, which the server has ready long before they are read; no two rows are the same.
    const sql = `${NUMBERS} REPEAT(CHAR(32 + i % 90), 131072) FROM n`;
    const before = bufferedBytes();
    let peak = 0;
    const sums: string[] = [];
    const wanted = 1000 * (131_072 + 8);
    for (const { host, port } of [nodeInfo(0), proxy]) {
      const raw = await RawClient.logIn({ ...rawLogin(), host, port });
      raw.socket.removeAllListeners('data');
      raw.send(raw.queryPayload(sql));
      const hash = createHash('sha256');
      let received = 0;
      for await (const chunk of raw.socket) {
        if (!Buffer.isBuffer(chunk)) throw new Error('no bytes');
        // Exactly the rows' bytes: how much of the end comes with the last of them differs.
        hash.update(chunk.subarray(0, Math.max(0, wanted - received)));
        const measured = received >> 24;
        received += chunk.length;
        for (let i = 0; i < 10; i++) await turn();
        if (measured !== received >> 24) peak = Math.max(peak, bufferedBytes() - before);
        if (received >= wanted) break;
      }
      sums.push(hash.digest('hex'));
    }
    expect(sums[1]).toBe(sums[0]);
    expect(peak).toBeLessThan(40_000_000);
  });
});

describe('an answer that does not come to its end', () => {
  test('has its rows and then the error, as on a server', async () => {
    const sql = `${NUMBERS} i, JSON_EXTRACT(IF(i < 900, '{}', '{'), '$') FROM n`;
    const answers: string[][] = [];
    for (const { host, port } of [nodeInfo(0), proxy]) {
      const raw = await RawClient.logIn({ ...rawLogin(), host, port });
      answers.push((await raw.query(sql)).map(({ payload }) => payload.toString('latin1')));
      expect((await raw.query('SELECT 1')).length).toBe(4);
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[0]?.length).toBeGreaterThan(100);
  });

  test('because the client went leaves the pool usable', async () => {
    for (let i = 0; i < 6; i++) {
      const raw = await RawClient.logIn(rawLogin());
      raw.send(raw.queryPayload(`${NUMBERS} REPEAT('z', 100000) FROM n`));
      await raw.read();
      raw.destroy();
    }
    const client = await proxy.connect();
    for (let i = 0; i < 4; i++) expect(await value(client, 'SELECT 1')).toBe(1);
  });

  test('in a transaction is rolled back when the client goes', async () => {
    const direct = await connectDirect(0, { database: 'protocol' });
    for (const begin of ['BEGIN', 'SET autocommit = 0']) {
      for (let i = 0; i < 4; i++) {
        const raw = await RawClient.logIn(rawLogin());
        await raw.query(begin);
        await raw.query("INSERT INTO t VALUES (500, 'not to be kept')");
        raw.destroy();
        await eventually(async () => {
          await direct.query('SET innodb_lock_wait_timeout = 1');
          expect(await value(direct, 'SELECT COUNT(*) FROM t WHERE id = 500 FOR UPDATE')).toBe(0);
        });
      }
    }
    const client = await proxy.connect({ database: 'protocol' });
    await client.query("INSERT INTO t VALUES (501, 'kept')");
  });

  test('by COM_QUIT in a transaction is rolled back too', async () => {
    const client = await proxy.connect({ database: 'protocol' });
    await client.query('BEGIN');
    await client.query("INSERT INTO t VALUES (600, 'not to be kept')");
    await client.end();
    const direct = await connectDirect(0, { database: 'protocol' });
    await eventually(async () => {
      expect(await value(direct, 'SELECT COUNT(*) FROM t WHERE id = 600 FOR UPDATE')).toBe(0);
    });
  });
});
