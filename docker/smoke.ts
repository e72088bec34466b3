import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import type { Cluster } from './cluster/cluster.js';
import type { Snapshot } from '../src/topology/snapshot.js';
import { waitUntil } from './cluster/wait-until.js';
import { showFailover, type FailoverShown } from './smoke-failover.js';

/** One line of the table: what was done, where it ran, and whether that is where it belongs. */
interface Shown {
  readonly what: string;
  readonly ranOn: string;
  readonly promised: string;
  readonly kept: boolean;
}

const SCHEMA = 'rwsplit_smoke';
const READS = 8;

interface ServerId extends RowDataPacket {
  readonly id: number;
}

/**
 * Shows the product at work on a cluster: each kind of statement through the proxy, and on which server it ran by that server's own word.
 * @returns the exit code: 0 when everything went where it was promised to go
 */
export async function smoke(
  cluster: Cluster,
  proxy: { readonly host: string; readonly port: number },
  out: { write(text: string): unknown },
  snapshot: () => Snapshot,
): Promise<number> {
  const client = await createConnection({ ...proxy, ...cluster.accounts.app });
  const servers = await Promise.all(
    cluster.nodes.map(async ({ host, port }) => createConnection({ host, port, ...cluster.accounts.root })),
  );
  // One of them is killed.
  for (const server of servers) server.on('error', () => {});
  try {
    const shown = await showEverything(cluster, client, servers);
    out.write(table(shown));
    if (cluster.nodes.length > 2) {
      const failover = await showFailover(cluster, proxy, snapshot);
      out.write(`\n${describeFailover(failover)}`);
      const { killed, promoted, returnedAs, lost, otherErrors } = failover;
      const kept = promoted !== killed && returnedAs === 'replica' && lost === 0 && otherErrors === 0;
      shown.push({ what: 'failover', ranOn: promoted, promised: 'another node, nothing lost', kept });
    }
    const broken = shown.filter((it) => !it.kept).length;
    out.write(broken === 0 ? '\nAll as promised.\n' : `\n${broken} of ${shown.length} not as promised.\n`);
    return broken === 0 ? 0 : 1;
  } finally {
    await client.end();
    for (const server of servers) server.destroy();
  }
}

function describeFailover(it: FailoverShown): string {
  return [
    `${it.killed}, the primary, was killed while clients wrote: ${it.promoted} is the primary now.`,
    `  from the kill to the next acknowledged write   ${it.ms} ms`,
    `  acknowledged writes                            ${it.acknowledged}, of which lost: ${it.lost}`,
    `  errors of clients                              ${it.otherErrors}, and ${it.unknown} for writes that were under way, whose outcome nobody can know`,
    `  ${it.killed}, started again                          ${it.returnedAs}`,
    '',
  ].join('\n');
}

async function showEverything(cluster: Cluster, client: Connection, servers: readonly Connection[]): Promise<Shown[]> {
  const names = new Map(cluster.nodes.map((node) => [node.serverId, node.name]));
  const primary = cluster.nodes[0].name;
  const replicas = cluster.nodes.slice(1).map((node) => node.name);
  const where = (id: number | undefined): string => names.get(id ?? -1) ?? 'nowhere';
  const shown: Shown[] = [];
  const show = (what: string, ranOn: string, promised: string, kept: boolean): void => {
    shown.push({ what, ranOn, promised, kept });
  };
  const expectOn = (what: string, ranOn: string, node: string): void => show(what, ranOn, node, ranOn === node);

  await client.query(`DROP DATABASE IF EXISTS ${SCHEMA}`);
  await client.query(`CREATE DATABASE ${SCHEMA}`);
  await client.query(`USE ${SCHEMA}`);
  await client.query('CREATE TABLE item (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40), written_on INT)');
  // Rows are replicated as values: this tells where the statement itself ran.
  await client.query("INSERT INTO item (name, written_on) VALUES ('written', @@server_id)");
  expectOn('INSERT', where(await writtenOn(client, 'written')), primary);
  await everywhere(servers, `SELECT COUNT(*) AS id FROM ${SCHEMA}.item WHERE name = 'written'`, 1);
  show('… and replicated', `${servers.length} servers`, `${servers.length} servers`, true);

  await client.query("UPDATE item SET written_on = @@server_id, name = 'updated' WHERE name = 'written'");
  expectOn('UPDATE', where(await writtenOn(client, 'updated')), primary);

  const reads = new Map<string, number>();
  for (let i = 0; i < READS; i++) {
    const node = where(await serverId(client, 'SELECT @@server_id AS id'));
    reads.set(node, (reads.get(node) ?? 0) + 1);
  }
  show(
    `${READS} × SELECT`,
    [...reads].map(([node, count]) => `${node}: ${count}`).join(', '),
    `evenly on ${replicas.join(', ')}`,
    replicas.length === 0
      ? reads.get(primary) === READS
      : replicas.every((node) => Math.abs((reads.get(node) ?? 0) - READS / replicas.length) < 1) && !reads.has(primary),
  );

  await client.beginTransaction();
  await client.query("INSERT INTO item (name) VALUES ('in transaction')");
  expectOn('SELECT in a transaction', where(await serverId(client, 'SELECT @@server_id AS id')), primary);
  const own = await serverId(client, "SELECT COUNT(*) AS id FROM item WHERE name = 'in transaction'");
  show('… sees its own row', own === 1 ? 'yes' : 'no', 'yes', own === 1);
  await client.rollback();

  expectOn(
    'SELECT … FOR UPDATE',
    where(await serverId(client, 'SELECT @@server_id AS id FROM item LIMIT 1 FOR UPDATE')),
    primary,
  );

  const [prepared] = await client.execute<ServerId[]>('SELECT @@server_id AS id, ? AS given', [42]);
  const on = where(prepared[0]?.id);
  show('prepared SELECT', on, 'a replica', replicas.length === 0 ? on === primary : replicas.includes(on));
  await client.execute('INSERT INTO item (name, written_on) VALUES (?, @@server_id)', ['prepared']);
  expectOn('prepared INSERT', where(await writtenOn(client, 'prepared')), primary);

  await client.query("SET SESSION sql_mode = 'ANSI_QUOTES'");
  const carried: string[] = [];
  for (let i = 0; i < 2; i++) {
    const [rows] = await client.query<RowDataPacket[]>('SELECT @@sql_mode AS mode, @@server_id AS id');
    carried.push(`${where(Number(rows[0]?.['id']))}: ${String(rows[0]?.['mode'])}`);
  }
  show(
    'SET sql_mode, then reads',
    carried.join(', '),
    'the same on each replica',
    carried.every((it) => it.endsWith(': ANSI_QUOTES')),
  );
  await client.query(`DROP DATABASE ${SCHEMA}`);
  return shown;
}

/** On which server a row was written; read in a transaction, hence on the primary, where it is certain to be. */
async function writtenOn(client: Connection, name: string): Promise<number | undefined> {
  await client.beginTransaction();
  const [rows] = await client.query<ServerId[]>('SELECT written_on AS id FROM item WHERE name = ?', [name]);
  await client.commit();
  return rows[0]?.id;
}

async function serverId(client: Connection, sql: string): Promise<number | undefined> {
  const [rows] = await client.query<ServerId[]>(sql);
  return rows[0]?.id;
}

/** Waits until the statement gives `expected` on every server. */
async function everywhere(servers: readonly Connection[], sql: string, expected: number): Promise<void> {
  for (const server of servers) {
    await waitUntil('replication of the row just written', 30_000, async () => {
      return (await serverId(server, sql)) === expected ? expected : undefined;
    });
  }
}

function table(rows: readonly Shown[]): string {
  const header: Shown = { what: 'statement', ranOn: 'ran on', promised: 'promised', kept: true };
  const width = (key: 'what' | 'ranOn' | 'promised'): number =>
    Math.max(...[header, ...rows].map((row) => row[key].length));
  const line = (row: Shown, mark: string): string =>
    `  ${row.what.padEnd(width('what'))}   ${row.ranOn.padEnd(width('ranOn'))}   ${row.promised.padEnd(width('promised'))}   ${mark}`;
  return [line(header, ''), ...rows.map((row) => line(row, row.kept ? 'ok' : 'NOT SO'))]
    .map((it) => `${it.trimEnd()}\n`)
    .join('');
}
