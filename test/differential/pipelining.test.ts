import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { framePackets } from '../../src/protocol/framing.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { startProxy, type TestProxy } from '../proxy.js';
import { RawClient, type AnswerShape } from '../raw-client.js';
import { textOf } from './steps.js';

/** A command and its answer's shape; a string is a COM_QUERY. */
type Command = string | readonly [payload: string, shape: AnswerShape];

let proxy: TestProxy;
beforeAll(async () => {
  await freshSchema('pipelined');
  const writer = await connectDirect(0, { database: 'pipelined' });
  await writer.query('CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(100))');
  await writer.query("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')");
  await untilReplicated();
  proxy = await startProxy({ poolMax: 2 });
});

const PING: Command = ['\x0e', 'ok'];
const RESET: Command = ['\x1f', 'ok'];
const EXECUTE = '\x17\x01\0\0\0\0\x01\0\0\0';
const EXECUTE_WITH_CURSOR = '\x17\x01\0\0\0\x01\x01\0\0\0';
const FETCH = '\x1c\x01\0\0\0\x02\0\0\0';
/** 8 MB, more than all buffers on the way take while the client does not read. */
const LARGE =
  "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, REPEAT('y', 9000) FROM n";

const SEQUENCES: Readonly<Record<string, readonly Command[]>> = {
  'reads and writes': ['SELECT v FROM t ORDER BY id', 'UPDATE t SET v = v', 'SELECT ROW_COUNT()', 'SELECT 2', PING],
  'statements that fail': [
    'SELEC',
    'SELECT * FROM missing',
    'SHOW WARNINGS',
    'SELECT 1',
    ['\x7e', 'ok'],
    ['', 'ok'],
    'SELECT 1',
  ],
  'a transaction': [
    'BEGIN',
    "UPDATE t SET v = 'x' WHERE id = 1",
    'SELECT v FROM t WHERE id = 1',
    'ROLLBACK',
    'SELECT v FROM t WHERE id = 1',
  ],
  'the session and its schema': [
    ['\x02mysql', 'ok'],
    'SELECT DATABASE()',
    "SET time_zone = '+03:00'",
    'SELECT @@time_zone',
    ['\x02pipelined', 'ok'],
    ['\x04t\0', 'fields'],
    RESET,
    'SELECT @@time_zone = "+03:00", DATABASE()',
    ['\x1b\x01\0', 'ok'],
    'SELECT 1; SELECT 2',
  ],
  'a prepared statement': [
    [EXECUTE, 'result'],
    PING,
    [EXECUTE, 'result'],
    [EXECUTE_WITH_CURSOR, 'result'],
    [FETCH, 'rows'],
    [FETCH, 'rows'],
    'SELECT 1',
    ['\x1a\x01\0\0\0', 'ok'],
    [EXECUTE, 'result'],
    ['\x19\x01\0\0\0', 'none'],
    [EXECUTE, 'result'],
    ['\x16SELECT 5', 'prepare'],
    ['\x16SELECT', 'prepare'],
    'SELECT 1',
  ],
  'a result that is larger than what is read': [LARGE, 'SELECT 1', LARGE, PING, 'SELECT 2'],
};

async function answers(
  at: { host: string; port: number },
  commands: readonly Command[],
  pieceBytes: number,
): Promise<string[]> {
  const client = await RawClient.logIn({
    ...clusterInfo().accounts.app,
    ...at,
    database: 'pipelined',
    capabilities: Capability.DEPRECATE_EOF,
  });
  await client.command(Buffer.from('\x16SELECT id, v FROM t ORDER BY id', 'latin1'), 'prepare');
  const bytes = Buffer.concat(
    commands.map((it) =>
      framePackets(typeof it === 'string' ? client.queryPayload(it) : Buffer.from(it[0], 'latin1'), 0),
    ),
  );
  client.socket.pause();
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    await new Promise<void>((resolve) => {
      client.socket.write(bytes.subarray(from, from + pieceBytes), () => resolve());
    });
  }
  client.socket.resume();
  const seen: string[] = [];
  for (const it of commands) {
    const packets = await client.answer(typeof it === 'string' ? 'result' : it[1]);
    // Where a statement's id is told it is anybody's choice.
    if (typeof it !== 'string' && it[1] === 'prepare' && packets[0]?.payload[0] === 0)
      packets[0].payload.writeUInt32LE(0, 1);
    seen.push(...packets.map(textOf));
  }
  client.destroy();
  return seen;
}

describe('commands that are sent before the first one is answered are answered as by a server', () => {
  for (const [name, commands] of Object.entries(SEQUENCES)) {
    for (const pieceBytes of [1_000_000, 7]) {
      test(`${name}, sent ${pieceBytes === 7 ? 'in small pieces' : 'at once'}`, async () => {
        const { host, port } = nodeInfo(0);
        const direct = await answers({ host, port }, commands, pieceBytes);
        expect(await answers(proxy, commands, pieceBytes)).toEqual(direct);
      });
    }
  }

  test('a file that is sent before it was asked for', async () => {
    const lines = Array.from(
      { length: 60_000 },
      (_, i) => `${i + 10}\tline ${i}, which is long enough to make this a file of some MB\n`,
    );
    const file = Buffer.from(lines.join(''));
    const load = "LOAD DATA LOCAL INFILE 'x' INTO TABLE pipelined.t";
    const client = await RawClient.logIn({
      ...clusterInfo().accounts.app,
      host: proxy.host,
      port: proxy.port,
      capabilities: Capability.DEPRECATE_EOF | Capability.LOCAL_FILES,
    });
    client.socket.write(
      Buffer.concat([
        framePackets(client.queryPayload(load), 0),
        framePackets(file, 2),
        framePackets(Buffer.alloc(0), 3),
        framePackets(client.queryPayload('SELECT COUNT(*) FROM pipelined.t'), 0),
      ]),
    );
    expect((await client.read()).payload[0]).toBe(0xfb);
    expect((await client.read()).payload[0]).toBe(0x00);
    const counted = await client.answer('result');
    expect(counted[2]?.payload.subarray(1).toString()).toBe('60003');
  });
});
