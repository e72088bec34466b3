import { channel, tracingChannel } from 'node:diagnostics_channel';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { resolve } from 'node:path';
import type { Pool } from 'mysql2/promise';
import { expect, test } from 'vitest';
import { seenAs } from '../../driver/mysql2/seen-as.js';
import { clusterInfo } from '../cluster.js';
import { openPool, ranOn } from './driver.js';

interface Started {
  readonly query: string;
  readonly serverPort: number;
}

interface Span {
  readonly text: string;
  readonly port: number;
  readonly hasFailed: boolean;
}

/** What OpenTelemetry's instrumentation tells of an application's statements. */
async function spansOf(program: string, module: string, hosts: object): Promise<Span[]> {
  const file = resolve(import.meta.dirname, program);
  const { stdout } = await promisify(execFile)(process.execPath, [file, module, JSON.stringify(hosts)]);
  const spans: Span[] = JSON.parse(stdout);
  return spans;
}

test.each([
  ['required', 'traced-application.cjs'],
  ['imported', 'traced-application.mjs'],
])('OpenTelemetry sees each statement once, as on a pool of mysql2, with the server that ran it: %s', async (_, by) => {
  const { nodes, accounts } = clusterInfo();
  const ports = nodes.map(({ port }) => port);
  const theirs = await spansOf(by, 'mysql2/promise', { host: '127.0.0.1', port: ports[0], ...accounts.app });
  const driver = resolve(import.meta.dirname, '../../dist/driver/promise.js');
  const ours = await spansOf(by, driver, { nodes: nodes.map(({ host, port }) => ({ host, port })), ...accounts.app });
  const STATEMENTS = /traced/;
  const [seen, wanted] = [ours, theirs].map((spans) => spans.filter(({ text }) => STATEMENTS.test(text)));
  expect(seen?.map(({ text, hasFailed }) => [text, hasFailed])).toEqual(
    wanted?.map(({ text, hasFailed }) => [text, hasFailed]),
  );
  expect(seen).toHaveLength(8);
  const [primary] = ports;
  for (const { text, port } of seen ?? []) expect([text, port === primary]).toEqual([text, !text.includes('read')]);
});

test.each(['query', 'execute'] as const)('mysql2’s own channel tells of each %s, and of its server', async (how) => {
  const seen: Started[] = [];
  const starts = tracingChannel<object>(`mysql2:${how}`).start ?? channel(`tracing:mysql2:${how}:start`);
  const listener = (context: unknown): void => {
    seen.push(seenAs<Started>(context));
  };
  starts.subscribe(listener);
  try {
    const run = async (client: Pick<Pool, 'query' | 'execute'>, sql: string): Promise<unknown[]> =>
      how === 'query' ? client.query(sql) : client.execute(sql);
    const pool = openPool();
    const connection = await pool.getConnection();
    await connection.ping();
    for (const client of [pool, connection]) {
      const [rows] = await run(client, 'SELECT @@port AS port, 1 AS traced');
      expect(rows).toMatchObject([{ port: seen.at(-1)?.serverPort }]);
      await run(client, 'SET @traced_write = 1');
    }
    connection.release();
    expect(await ranOn(pool)).not.toBe(1);
    expect(seen.filter(({ query }) => query.includes('traced'))).toHaveLength(4);
  } finally {
    starts.unsubscribe(listener);
  }
});
