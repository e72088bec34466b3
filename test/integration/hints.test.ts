import type { Connection } from 'mysql2/promise';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ByteWriter } from '../../src/protocol/byte-writer.js';
import { Capability } from '../../src/protocol/capabilities.js';
import { Command } from '../../src/protocol/commands.js';
import { clusterInfo, freshSchema, nodeInfo } from '../cluster.js';
import { PRIMARY_ID, ranOn, startProxy, value, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

const VAR_STRING = 0xfd;
const LONG = 0x03;

let proxy: TestProxy;
let client: Connection;
beforeAll(async () => {
  await freshSchema('hints');
  proxy = await startProxy();
  const writer = await proxy.connect({ database: 'hints' });
  await writer.query('CREATE TABLE t (id INT PRIMARY KEY)');
});
beforeEach(async () => {
  client = await proxy.connect({ database: 'hints' });
});

/** As the configuration names it. */
function nodeName(index: number): string {
  const { host, port } = nodeInfo(index);
  return `${host}:${port}`;
}

describe('a hint for a node', () => {
  test.each([0, 1, 2])('sends a read to that node, as text and prepared: node %i', async (index) => {
    for (let i = 0; i < 3; i++) {
      expect(await ranOn(client, `/* rwsplit: node=${nodeName(index)} */`)).toBe(index + 1);
      const [rows] = await client.execute(`SELECT /* rwsplit: node=${nodeName(index)} */ @@server_id AS id, ? AS x`, [
        i,
      ]);
      expect(rows).toMatchObject([{ id: index + 1 }]);
    }
  });

  test('holds for a whole read-only transaction', async () => {
    for (const index of [1, 2, 0]) {
      await client.query(`START TRANSACTION /* rwsplit: node=${nodeName(index)} */ READ ONLY`);
      expect(await ranOn(client)).toBe(index + 1);
      expect(await ranOn(client)).toBe(index + 1);
      await client.query('COMMIT');
    }
  });

  test('that is not there sends a read where it would go without', async () => {
    expect([2, 3]).toContain(await ranOn(client, '/* rwsplit: node=elsewhere:1 */'));
  });

  test('never sends a write to a replica', async () => {
    await client.query(`INSERT /* rwsplit: node=${nodeName(1)} */ INTO t VALUES (1)`);
    await client.query('DELETE /* rwsplit: replica */ FROM t');
    expect(await ranOn(client, `FROM (SELECT 1) AS x FOR UPDATE /* rwsplit: node=${nodeName(1)} */`)).toBe(PRIMARY_ID);
  });
});

describe('a query attribute', () => {
  async function rawClient(): Promise<RawClient> {
    const { host, port } = proxy;
    const capabilities = Capability.QUERY_ATTRIBUTES | Capability.DEPRECATE_EOF;
    return RawClient.logIn({ ...clusterInfo().accounts.app, host, port, capabilities, database: 'hints' });
  }

  /** A query with the attributes `trace`, a number, and `rwsplit`. */
  function queryWith(hint: string, sql: string): Buffer {
    const head = new ByteWriter().int1(Command.QUERY).lenencInt(2).lenencInt(1).int1(0).int1(1);
    const types = head.int2(LONG).lenencString('trace').int2(VAR_STRING).lenencString('rwsplit');
    return types.int4(7).lenencString(hint).string(sql).payload();
  }

  /** The row's only value in the text protocol. */
  async function nodeOf(raw: RawClient, hint: string, sql = 'SELECT @@server_id'): Promise<string | undefined> {
    const packets = await raw.command(queryWith(hint, sql), 'result');
    return packets[2]?.payload.toString('latin1', 1);
  }

  test('says where a read goes, and a write does not follow it', async () => {
    const raw = await rawClient();
    for (let i = 0; i < 3; i++) {
      expect(await nodeOf(raw, 'primary')).toBe('1');
      expect(await nodeOf(raw, `node=${nodeName(2)}`)).toBe('3');
      expect(await nodeOf(raw, 'consistency=primary')).toBe('1');
      expect(await nodeOf(raw, `node=${nodeName(1)}, consistency=eventual`)).toBe('2');
      expect(['2', '3']).toContain(await nodeOf(raw, 'replica'));
      expect(['2', '3']).toContain(await nodeOf(raw, '*/ nonsense'));
      expect(await nodeOf(raw, 'replica', 'SELECT @@server_id FOR UPDATE')).toBe('1');
    }
    raw.destroy();
    expect(await value(client, 'SELECT 1')).toBe(1);
  });

  test('says where one execution of a prepared statement goes', async () => {
    const raw = await rawClient();
    const sql = new ByteWriter().int1(Command.STMT_PREPARE).string('SELECT @@server_id, ?').payload();
    const [prepared] = await raw.command(sql, 'prepare');
    const id = prepared?.payload.readUInt32LE(1) ?? 0;
    const execute = (hint: string): Buffer => {
      const head = new ByteWriter().int1(Command.STMT_EXECUTE).int4(id).int1(8).int4(1).lenencInt(2).int1(0).int1(1);
      const types = head.int2(LONG).lenencString('').int2(VAR_STRING).lenencString('rwsplit');
      return types.int4(5).lenencString(hint).payload();
    };
    for (const [hint, node] of [
      ['primary', 1],
      ['consistency=primary', 1],
      [`node=${nodeName(1)}`, 2],
      [`node=${nodeName(2)}`, 3],
    ] as const) {
      const packets = await raw.command(execute(hint), 'result');
      // A binary row: its header, the bitmap of NULLs, the number.
      expect(packets[3]?.payload.readUInt8(2)).toBe(node);
    }
    raw.destroy();
  });
});
