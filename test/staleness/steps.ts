import type { RowDataPacket } from 'mysql2/promise';
import { CONSISTENCY_LEVELS } from '../../src/session/consistency.js';
import { pick } from '../random.js';
import type { Actor, Key } from './actor.js';
import { pipeline } from './pipeline.js';
import { FAILURE } from './run.js';

/** What steps need to know of the others. */
export interface Others {
  readonly actors: readonly Actor[];
  /** Of all actors. */
  readonly keys: readonly Key[];
}
type Step = (actor: Actor, others: Others) => Promise<void>;

const READ = 'SELECT @@server_id AS node, k, v FROM kv WHERE k =';
const MANY = 4;

/** What sessions do, and how often beside the rest. */
export const STEPS: Readonly<Record<string, { readonly weight: number; readonly take: Step }>> = {
  'read own': { weight: 6, take: async (actor) => readText(actor, actor.ownKey.id) },
  'read any': { weight: 8, take: async (actor, others) => readText(actor, anyKey(actor, others)) },
  'read prepared': { weight: 6, take: readPrepared },
  'read many': { weight: 3, take: readMany },
  'read by a hint': { weight: 2, take: readHinted },
  write: { weight: 4, take: writeText },
  'write prepared': { weight: 3, take: writePrepared },
  'write, several statements': { weight: 1, take: writeTwo },
  'write by a procedure': { weight: 1, take: writeByProcedure },
  'write by a function': { weight: 1, take: writeByFunction },
  'write by a procedure that fails': { weight: 1, take: writeByFailure },
  transaction: { weight: 2, take: transaction },
  'read-only transaction': { weight: 3, take: readOnlyTransaction },
  'hand on a token': { weight: 2, take: handOn },
  'take tokens': { weight: 2, take: async (actor) => actor.takeTokens() },
  pipeline: { weight: 2, take: async (actor, others) => pipeline(actor, anyKey(actor, others)) },
  'begin anew': { weight: 1, take: beginAnew },
};

function anyKey({ run }: Actor, { keys }: Others): number {
  return pick(run.random, keys).id;
}

async function readText(actor: Actor, key: number): Promise<void> {
  await actor.reads(async () => actor.rows(`${READ} ${key}`));
}

async function readPrepared(actor: Actor, others: Others): Promise<void> {
  const key = actor.run.random.below(2) === 0 ? actor.ownKey.id : anyKey(actor, others);
  await actor.reads(async () => {
    const [rows] = await actor.connection.execute<RowDataPacket[]>(`${READ} ?`, [key]);
    return rows;
  });
}

async function readMany(actor: Actor, others: Others): Promise<void> {
  const keys = Array.from({ length: MANY }, () => anyKey(actor, others));
  const sql = `SELECT @@server_id AS node, k, v FROM kv WHERE k IN (${keys.join(', ')})`;
  await actor.reads(async () => actor.rows(sql));
}

/** A statement's own level. */
async function readHinted(actor: Actor, others: Others): Promise<void> {
  const level = pick(actor.run.random, CONSISTENCY_LEVELS);
  const hint = `/* rwsplit: consistency=${level} */`;
  await actor.reads(async () => actor.rows(`${hint} ${READ} ${anyKey(actor, others)}`), { level });
}

async function writeText(actor: Actor): Promise<void> {
  const key = actor.ownKey;
  const value = actor.nextValue(key);
  const sql = pick(actor.run.random, [
    `UPDATE kv SET v = ${value} WHERE k = ${key.id}`,
    `REPLACE INTO kv VALUES (${key.id}, ${value})`,
    `INSERT INTO kv VALUES (${key.id}, 0) ON DUPLICATE KEY UPDATE v = ${value}`,
  ]);
  await actor.commits(new Map([[key.id, value]]), async () => actor.connection.query(sql));
  await readText(actor, key.id);
}

async function writePrepared(actor: Actor): Promise<void> {
  const key = actor.ownKey;
  const value = actor.nextValue(key);
  const sql = 'UPDATE kv SET v = ? WHERE k = ?';
  await actor.commits(new Map([[key.id, value]]), async () => actor.connection.execute(sql, [value, key.id]));
  await readText(actor, key.id);
}

/** Two keys of its own, with the values that they are to have. */
function twoValues(actor: Actor): Map<number, number> {
  const written = new Map<number, number>();
  for (let i = 0; i < 2; i++) {
    const key = actor.ownKey;
    written.set(key.id, actor.nextValue(key));
  }
  return written;
}

async function writeTwo(actor: Actor): Promise<void> {
  const written = twoValues(actor);
  const sql = [...written].map(([key, value]) => `UPDATE kv SET v = ${value} WHERE k = ${key}`).join('; ');
  await actor.commits(written, async () => actor.connection.query(sql));
  for (const key of written.keys()) await readText(actor, key);
}

/** Each of its statements is a transaction of its own, and those of others may come in between. */
async function writeByProcedure(actor: Actor): Promise<void> {
  const key = actor.ownKey;
  const [first, last] = [actor.nextValue(key), actor.nextValue(key)];
  const sql = `CALL write_thrice(${key.id}, ${first}, ${last})`;
  await actor.commits(new Map([[key.id, last]]), async () => actor.connection.query(sql));
  await readText(actor, key.id);
}

async function writeByFunction(actor: Actor): Promise<void> {
  const key = actor.ownKey;
  const value = actor.nextValue(key);
  const sql = `SELECT write_one(${key.id}, ${value})`;
  await actor.commits(new Map([[key.id, value]]), async () => actor.connection.query(sql));
  await readText(actor, key.id);
}

/** What it has committed before stays. */
async function writeByFailure(actor: Actor): Promise<void> {
  const key = actor.ownKey;
  const value = actor.nextValue(key);
  await actor.commits(new Map([[key.id, value]]), async () =>
    actor.connection.query(`CALL write_and_fail(${key.id}, ${value})`).catch((error: unknown) => {
      if (!(error instanceof Error && 'sqlState' in error && error.sqlState === FAILURE)) throw error;
    }),
  );
  await readText(actor, key.id);
}

async function transaction(actor: Actor, others: Others): Promise<void> {
  const { random, history } = actor.run;
  const pending = new Map<number, number>();
  await actor.connection.query(pick(random, ['BEGIN', 'START TRANSACTION']));
  let since = actor.now;
  const read = async (key: number): Promise<void> => {
    if (actor.readCommitted) since = actor.now;
    await actor.reads(async () => actor.rows(`${READ} ${key}`), { since, pending });
  };
  await read(anyKey(actor, others));
  for (let i = 0; i < 1 + random.below(3); i++) {
    const key = actor.ownKey;
    // Of a key that is written twice, what was first is gone.
    const before = pending.get(key.id);
    if (before !== undefined) history.rolledBack(key.id, before);
    const value = actor.nextValue(key);
    pending.set(key.id, value);
    await actor.connection.query(`UPDATE kv SET v = ${value} WHERE k = ${key.id}`);
    await read(key.id);
    await read(anyKey(actor, others));
  }
  if (random.below(4) === 0) {
    for (const [key, value] of pending) history.rolledBack(key, value);
    await actor.connection.query('ROLLBACK');
  } else await actor.commits(pending, async () => actor.connection.query('COMMIT'));
  for (const key of pending.keys()) await readText(actor, key);
}

async function readOnlyTransaction(actor: Actor, others: Others): Promise<void> {
  const { random } = actor.run;
  const withSnapshot = random.below(3) === 0;
  const wholly = await actor.attempt(async () => {
    let since = actor.now;
    await actor.connection.query(`START TRANSACTION ${withSnapshot ? 'WITH CONSISTENT SNAPSHOT, ' : ''}READ ONLY`);
    if (!withSnapshot && random.below(2) === 0) await actor.takeTokens();
    for (let i = 0; i < 1 + random.below(4); i++) {
      // The first read makes the snapshot, where there is one.
      if (actor.readCommitted || (i === 0 && !withSnapshot)) since = actor.now;
      const key = random.below(2) === 0 ? actor.ownKey.id : anyKey(actor, others);
      await actor.reads(async () => actor.rows(`${READ} ${key}`), { since });
    }
    await actor.connection.query('COMMIT');
  });
  if (!wholly) await actor.connection.query('ROLLBACK');
}

async function handOn(actor: Actor, { actors }: Others): Promise<void> {
  const since = actor.now;
  const [row] = await actor.rows('SHOW RWSPLIT TOKEN');
  const token = actor.run.history.token(actor.session, actor.level, since);
  pick(actor.run.random, actors).inbox.push({ text: String(row?.['token']), token });
}

async function beginAnew(actor: Actor): Promise<void> {
  await actor.end();
  await actor.begin();
}
