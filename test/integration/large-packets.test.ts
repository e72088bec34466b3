import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { framePackets } from '../../src/protocol/framing.js';
import { clusterInfo, connectDirect, freshSchema, nodeInfo, untilReplicated } from '../cluster.js';
import { startProxy, value, type TestProxy } from '../proxy.js';
import { RawClient } from '../raw-client.js';

const FULL = 0xffffff;
/** Of payloads: just below, at and above a packet's largest one, and the default of max_allowed_packet but for a bit. */
const SIZES = [FULL - 1, FULL, FULL + 1, 2 * FULL, 64 * 1024 * 1024 - 100];

const clients: RawClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});

let proxy: TestProxy;
let before: unknown[] = [];
beforeAll(async () => {
  const schema = await freshSchema('large_packets');
  before = await Promise.all(
    clusterInfo().nodes.map(async (_node, index) => value(await root(index), 'SELECT @@GLOBAL.max_allowed_packet')),
  );
  // A message's head, and what the server adds to a row, are to have room too.
  await setMaxAllowedPacket(clusterInfo().nodes.map(() => 128 * 1024 * 1024));
  const writer = await connectDirect(0, { database: schema });
  await writer.query('CREATE TABLE lengths (bytes BIGINT, sum CHAR(64))');
  await untilReplicated();
  proxy = await startProxy();
});
afterAll(async () => setMaxAllowedPacket(before));

async function root(index: number): ReturnType<typeof connectDirect> {
  return connectDirect(index, clusterInfo().accounts.root);
}

async function setMaxAllowedPacket(bytes: readonly unknown[]): Promise<void> {
  for (const [index, it] of bytes.entries()) {
    await (await root(index)).query('SET GLOBAL max_allowed_packet = ?', [it]);
  }
}

async function logIn(
  { host, port }: { readonly host: string; readonly port: number },
  capabilities: number = Capability.DEPRECATE_EOF,
): Promise<RawClient> {
  const login = { ...clusterInfo().accounts.app, host, port, database: 'large_packets' };
  const client = await RawClient.logIn({ ...login, capabilities: capabilities | Capability.LOCAL_FILES });
  clients.push(client);
  return client;
}

/** Sends a message in pieces that end anywhere. */
async function send(client: RawClient, payload: Uint8Array, sequenceId = 0): Promise<void> {
  const bytes = framePackets(payload, sequenceId);
  const step = 3_000_017;
  for (let from = 0; from < bytes.length; from += step) {
    await new Promise<void>((resolve) => {
      client.socket.write(bytes.subarray(from, from + step), () => resolve());
    });
  }
}

function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that look like the beginnings of packets that end something. */
function filler(bytes: number): Buffer {
  return Buffer.alloc(bytes, Buffer.from([0xff, 0xfe, 0x00, 0xfb, 0x61]));
}

describe.each(SIZES)('a payload of %i bytes passes whole', (size) => {
  test("as a statement's text", async () => {
    const client = await logIn(proxy);
    const head = Buffer.from("\x03SELECT LENGTH('");
    const tail = Buffer.from("')");
    const length = size - head.length - tail.length;
    await send(client, Buffer.concat([head, Buffer.alloc(length, 'x'), tail]));
    const [, , row] = await client.answer('result');
    expect(row?.payload.subarray(1).toString()).toBe(String(length));
    expect(await client.query('SELECT 1')).toHaveLength(4);
  });

  test('as long data', async () => {
    const client = await logIn(proxy);
    const [prepared] = await client.command(Buffer.from('\x16SELECT LENGTH(?) AS l'), 'prepare');
    const id = prepared?.payload.subarray(1, 5) ?? Buffer.alloc(4);
    const data = filler(size - 7);
    await send(client, Buffer.concat([Buffer.from([0x18]), id, Buffer.alloc(2), data]));
    await send(client, Buffer.concat([Buffer.from([0x17]), id, Buffer.from([0, 1, 0, 0, 0, 0, 1, 0xfc, 0])]));
    const [, , row] = await client.answer('result');
    expect(row?.payload.readUInt32LE(2)).toBe(data.length);
  });

  test('as a row, whatever it begins with', async () => {
    for (const capabilities of [Capability.DEPRECATE_EOF, 0]) {
      const lenencBytes = size <= FULL + 4 ? 4 : 9;
      const sql = `SELECT LEFT(REPEAT(X'FFFE00FB61', ${Math.ceil(size / 5)}), ${size - lenencBytes}) UNION ALL SELECT 'after'`;
      const sums: string[] = [];
      for (const at of [nodeInfo(0), proxy]) {
        const client = await logIn(at, capabilities);
        const packets = await client.query(sql);
        const rows = packets.slice(capabilities === 0 ? 3 : 2);
        expect(rows.slice(0, -2).reduce((sum, { payload }) => sum + payload.length, 0)).toBe(size);
        sums.push(packets.map(({ sequenceId, payload }) => `${sequenceId} ${sumOf(payload)}`).join('\n'));
        expect(await client.query('SELECT 1')).toHaveLength(capabilities === 0 ? 5 : 4);
        client.destroy();
      }
      expect(sums[1]).toBe(sums[0]);
    }
  });

  test('as the file of a LOAD DATA LOCAL', async () => {
    const client = await logIn(proxy);
    await client.query('DELETE FROM lengths');
    client.send(
      client.queryPayload(
        `LOAD DATA LOCAL INFILE 'x' INTO TABLE lengths CHARACTER SET binary FIELDS TERMINATED BY '\\t' ESCAPED BY ''
         LINES TERMINATED BY '\\n' (@v) SET bytes = LENGTH(@v), sum = SHA2(@v, 256)`,
      ),
    );
    const asked = await client.read();
    expect(asked.payload[0]).toBe(0xfb);
    const file = filler(size);
    await send(client, file, asked.sequenceId + 1);
    client.send(Buffer.alloc(0), asked.sequenceId + 1 + Math.floor(size / FULL) + 1);
    expect((await client.read()).payload[0]).toBe(0x00);
    const [, , , row] = await client.query('SELECT bytes, sum FROM lengths /* rwsplit: primary */');
    expect(row?.payload.toString('latin1')).toContain(sumOf(file));
  });
});

test('a message on its way is held about twice, not more', async () => {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  const held = (): number => {
    if (typeof gc === 'function') gc();
    return process.memoryUsage().arrayBuffers;
  };
  const client = await logIn(proxy);
  const mib = 1024 * 1024;
  const message = framePackets(
    Buffer.concat([Buffer.from("\x03SELECT LENGTH('"), Buffer.alloc(60 * mib, 'x'), Buffer.from("')")]),
    0,
  );
  const atRest = held();
  let peak = 0;
  // The client's own copy has been counted: what comes on top is the proxy's.
  for (let from = 0; from < message.length; from += mib) {
    await new Promise<void>((resolve) => {
      client.socket.write(message.subarray(from, from + mib), () => resolve());
    });
    peak = Math.max(peak, held() - atRest);
  }
  const [, , row] = await client.answer('result');
  expect(row?.payload.subarray(1).toString()).toBe(String(60 * mib));
  expect(peak).toBeLessThan(2.5 * 60 * mib);
});
