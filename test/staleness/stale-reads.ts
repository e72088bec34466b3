import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { ClusterAccounts } from '../../docker/cluster/cluster.js';
import { CONSISTENCY_LEVELS } from '../../src/session/consistency.js';
import { randomFrom, type Random } from '../random.js';
import { Actor, type Key } from './actor.js';
import { BareRoundRobin } from './bare-round-robin.js';
import { DisturbedReplica, type DisturbedNode } from './disturbance.js';
import { FAILURE, Run, SCHEMA } from './run.js';
import { STEPS, type Others } from './steps.js';

const ACTORS_PER_LEVEL = 4;
const BARE_USERS = 4;
const KEYS_PER_ACTOR = 3;

const TABLES = `
DROP DATABASE IF EXISTS ${SCHEMA};
CREATE DATABASE ${SCHEMA};
USE ${SCHEMA};
CREATE TABLE kv (k INT PRIMARY KEY, v INT NOT NULL);
CREATE PROCEDURE write_thrice(key_id INT, first_one INT, last_one INT) MODIFIES SQL DATA
BEGIN
  UPDATE kv SET v = first_one WHERE k = key_id;
  DO SLEEP(0.002);
  UPDATE kv SET v = last_one WHERE k = key_id;
  DO SLEEP(0.002);
  UPDATE kv SET v = last_one + 0 WHERE k = key_id;
END;
CREATE PROCEDURE write_and_fail(key_id INT, new_value INT) MODIFIES SQL DATA
BEGIN
  UPDATE kv SET v = new_value WHERE k = key_id;
  SIGNAL SQLSTATE '${FAILURE}';
END;
CREATE FUNCTION write_one(key_id INT, new_value INT) RETURNS INT MODIFIES SQL DATA
BEGIN
  UPDATE kv SET v = new_value WHERE k = key_id;
  RETURN new_value;
END`;

export interface StaleReadsSetUp {
  readonly proxy: { readonly host: string; readonly port: number };
  /** The first is the primary. */
  readonly nodes: readonly [DisturbedNode & { readonly serverId: number }, ...DisturbedNode[]];
  readonly accounts: ClusterAccounts;
  readonly seed: number;
  /** Disturbances last for so many reads, at the most. */
  readonly disturbedReads: number;
}

/** Of what a run of sessions before the proxy, and of users without one, has come. */
export interface StaleReads {
  readonly run: Run;
  readonly bare: Run;
  readonly disturbances: ReadonlyMap<string, number>;
}

/**
 * Sessions of all levels that write, read, and look whether what they read is as new as promised, while the replicas are late by turns.
 * @param isOver asked again and again
 */
export async function lookForStaleReads(
  set: StaleReadsSetUp,
  isOver: (sofar: StaleReads) => boolean,
): Promise<StaleReads> {
  const [primary, ...replicas] = set.nodes;
  const random = randomFrom(set.seed);
  const run = new Run({ ...set.proxy, ...set.accounts.app }, primary.serverId, random);
  const bare = new Run({ ...primary, ...set.accounts.app }, primary.serverId, random);
  const actors = CONSISTENCY_LEVELS.flatMap((level, at) =>
    Array.from({ length: ACTORS_PER_LEVEL }, (_, i) => new Actor(run, level, keysOf(at * ACTORS_PER_LEVEL + i))),
  );
  const others = { actors, keys: actors.flatMap((actor) => actor.keys) };
  const bareKeys = Array.from({ length: BARE_USERS }, (_, i) => keysOf(actors.length + i));
  const gtids = await makeTables(set, [...others.keys, ...bareKeys.flat()]);

  const disturbed = await Promise.all(replicas.map(async (it) => DisturbedReplica.open(it, set.accounts.root)));
  for (const replica of disturbed) await replica.catchUp(gtids);
  const users = new BareRoundRobin(primary, replicas, set.accounts.app);
  const disturbances = new Map<string, number>();
  const sofar: StaleReads = { run, bare, disturbances };
  const untilOver = async (): Promise<void> => {
    while (!run.progress.ended) {
      await run.progress.after(50);
      for (const { done } of disturbed) for (const [name, times] of done) disturbances.set(name, times);
      if (isOver(sofar)) run.progress.end();
    }
  };
  try {
    await allOrNone(
      [
        ...actors.map(async (actor) => act(actor, others, random)),
        ...bareKeys.map(async (own) => users.use(bare, own, bareKeys.flat())),
        ...disturbed.map(async (it) => it.disturb(run.progress, random, set.disturbedReads)),
        untilOver(),
      ],
      () => {
        run.progress.end();
        bare.progress.end();
      },
    );
  } finally {
    for (const it of disturbed) it.close();
    await users.end();
  }
  return sofar;
}

function keysOf(actor: number): Key[] {
  return Array.from({ length: KEYS_PER_ACTOR }, (_, i) => ({ id: actor * KEYS_PER_ACTOR + i + 1, value: 0 }));
}

/** @returns what a replica has to have before anybody reads from it */
async function makeTables({ nodes: [primary], accounts }: StaleReadsSetUp, keys: readonly Key[]): Promise<string> {
  const { host, port } = primary;
  const root = await createConnection({ host, port, ...accounts.root, multipleStatements: true });
  await root.query(TABLES);
  await root.query('INSERT INTO kv VALUES ?', [keys.map((key) => [key.id, 0])]);
  const [[row]] = await root.query<RowDataPacket[]>('SELECT @@GLOBAL.gtid_executed AS gtids');
  await root.end();
  return String(row?.['gtids']);
}

async function act(actor: Actor, others: Others, random: Random): Promise<void> {
  const steps = Object.entries(STEPS);
  const total = steps.reduce((sum, [, { weight }]) => sum + weight, 0);
  await actor.begin();
  while (!actor.run.progress.ended) {
    let at = random.below(total);
    const [name, step] = steps.find(([, { weight }]) => (at -= weight) < 0) ?? [];
    if (name === undefined || step === undefined) continue;
    actor.step = name;
    actor.run.took(name);
    await step.take(actor, others);
  }
  await actor.end();
}

/** @param stop called as soon as one of them has failed, or ended */
async function allOrNone(tasks: readonly Promise<void>[], stop: () => void): Promise<void> {
  const failures: unknown[] = [];
  await Promise.all(
    tasks.map(async (task) =>
      task
        .catch((error: unknown) => {
          failures.push(error);
        })
        .finally(stop),
    ),
  );
  if (failures.length > 0) throw failures[0];
}
