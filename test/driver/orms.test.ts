import { sql as drizzleSql } from 'drizzle-orm';
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core';
import { drizzle } from 'drizzle-orm/mysql2';
import knex from 'knex';
import { Kysely, MysqlDialect, sql } from 'kysely';
import { DataTypes, Sequelize } from 'sequelize';
import { DataSource, EntitySchema } from 'typeorm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import rwsplit, { createPool, type SplitPool } from '../../driver/index.js';
import { clusterInfo, freshSchema, untilReplicated } from '../cluster.js';
import { connectDirect } from '../cluster.js';
import { eventually } from '../proxy.js';
import { openPool, options, type Row } from './driver.js';

const SCHEMA = 'driver_orms';
const ends: (() => Promise<unknown>)[] = [];
afterAll(async () => Promise.all(ends.map(async (end) => end())));

beforeAll(async () => {
  await freshSchema(SCHEMA);
  await openPool({ database: SCHEMA }).query(
    'CREATE TABLE account (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), n INT)',
  );
  await untilReplicated();
});

function pool(): SplitPool {
  return createPool(options({ database: SCHEMA, monitor: clusterInfo().accounts.monitor }));
}

/** What an ORM does: writes, reads its own write, and in a transaction reads what that wrote, then takes it back. */
interface Orm {
  insert(name: string): Promise<unknown>;
  /** @returns how many there are of that name */
  count(name: string): Promise<number>;
  /** Inserts it, counts, and rolls back. */
  countInTransaction(name: string): Promise<number>;
}

const KINDS = ['select', 'insert', 'begin', 'rollback'] as const;

/** What each server counts of the application's user. What is prepared here are inserts. */
async function ranByKind(): Promise<Map<string, number>[]> {
  const { nodes, accounts } = clusterInfo();
  return Promise.all(
    nodes.map(async (_node, index) => {
      const root = await connectDirect(index, accounts.root);
      const [rows] = await root.query<Row[]>(
        `SELECT SUBSTRING_INDEX(EVENT_NAME, '/', -1) AS kind, COUNT_STAR AS n
         FROM performance_schema.events_statements_summary_by_user_by_event_name
         WHERE USER = ? AND EVENT_NAME RLIKE '/(select|insert|Execute|begin|rollback)$'`,
        [accounts.app.user],
      );
      const counts = new Map<string, number>();
      for (const { kind, n } of rows) {
        const counted = kind === 'Execute' ? 'insert' : String(kind);
        counts.set(counted, (counts.get(counted) ?? 0) + Number(n));
      }
      return counts;
    }),
  );
}

/** By what the servers themselves count: writes and transactions on the primary only, reads outside of them on replicas only. */
async function holdToIt(name: string, orm: Orm): Promise<void> {
  // What it asks when it connects first is its own affair.
  await orm.insert(`${name} 0`);
  await orm.count(`${name} 0`);
  const before = await ranByKind();
  for (let i = 1; i <= 4; i++) {
    await orm.insert(`${name} ${i}`);
    expect(await orm.count(`${name} ${i}`)).toBe(1);
  }
  expect(await orm.countInTransaction(`${name} 5`)).toBe(1);
  expect(await orm.count(`${name} 5`)).toBe(0);
  await eventually(async () => {
    const after = await ranByKind();
    const ran = after.map((counts, node) =>
      Object.fromEntries(KINDS.map((kind) => [kind, (counts.get(kind) ?? 0) - (before[node]?.get(kind) ?? 0)])),
    );
    expect(ran[0]).toEqual({ select: 1, insert: 5, begin: 1, rollback: 1 });
    expect((ran[1]?.['select'] ?? 0) + (ran[2]?.['select'] ?? 0)).toBe(5);
    expect([ran[1]?.['insert'], ran[2]?.['insert'], ran[1]?.['begin'], ran[2]?.['begin']]).toEqual([0, 0, 0, 0]);
  });
}

interface Database {
  readonly account: { id?: number; name: string; n?: number };
}

test('Kysely on the pool', async () => {
  const database = new Kysely<Database>({ dialect: new MysqlDialect({ pool: pool() }) });
  ends.push(async () => database.destroy());
  const count = async (on: Kysely<Database>, name: string): Promise<number> => {
    const found = await on
      .selectFrom('account')
      .select(sql<number>`COUNT(*)`.as('c'))
      .where('name', '=', name)
      .execute();
    return Number(found[0]?.c);
  };
  await holdToIt('kysely', {
    insert: async (name) => database.insertInto('account').values({ name }).execute(),
    count: async (name) => count(database, name),
    countInTransaction: async (name) => {
      const trx = await database.startTransaction().execute();
      await trx.insertInto('account').values({ name }).execute();
      const found = await count(trx, name);
      await trx.rollback().execute();
      return found;
    },
  });
  const streamed: string[] = [];
  for await (const row of database.selectFrom('account').select('name').where('name', 'like', 'kysely%').stream(2)) {
    streamed.push(row.name);
  }
  expect(streamed).toHaveLength(5);
});

test('Drizzle on the pool', async () => {
  const account = mysqlTable('account', { id: int().primaryKey().autoincrement(), name: varchar({ length: 50 }) });
  const client = pool();
  ends.push(async () => client.promise().end());
  const database = drizzle({ client });
  const where = (name: string): ReturnType<typeof drizzleSql> => drizzleSql`${account.name} = ${name}`;
  await holdToIt('drizzle', {
    insert: async (name) => database.insert(account).values({ name }),
    count: async (name) => database.$count(account, where(name)),
    countInTransaction: async (name) => {
      let found = 0;
      await database
        .transaction(async (trx) => {
          await trx.insert(account).values({ name });
          found = await trx.$count(account, where(name));
          trx.rollback();
        })
        .catch(() => {});
      return found;
    },
  });
  const names: unknown[] = [];
  for await (const row of database
    .select()
    .from(account)
    .where(drizzleSql`name LIKE 'drizzle%'`)
    .iterator())
    names.push(row);
  expect(names).toHaveLength(5);
});

test('Knex on the pool', async () => {
  const database = knex({ client: 'mysql2', connection: () => ({}), pool: { min: 0, max: 5 } });
  const client = pool();
  ends.push(async () => client.promise().end());
  Object.assign(database.client, {
    acquireConnection: async () =>
      new Promise((resolve, reject) => {
        client.getConnection((error, connection) => (error === null ? resolve(connection) : reject(error)));
      }),
    releaseConnection: async (connection: { release(): void }) => connection.release(),
  });
  const counted = async (on: knex.Knex, name: string): Promise<number> => {
    const [row] = await on('account').where({ name }).count({ c: '*' });
    return Number(row?.['c']);
  };
  await holdToIt('knex', {
    insert: async (name) => database('account').insert({ name }),
    count: async (name) => counted(database, name),
    countInTransaction: async (name) => {
      const trx = await database.transaction();
      await trx('account').insert({ name });
      const found = await counted(trx, name);
      await trx.rollback();
      return found;
    },
  });
});

test('TypeORM with the module in the place of its driver', async () => {
  const account = new EntitySchema<{ id: number; name: string }>({
    name: 'account',
    columns: { id: { type: Number, primary: true, generated: true }, name: { type: String, length: 50 } },
  });
  const { accounts, nodes } = clusterInfo();
  const source = new DataSource({
    type: 'mysql',
    driver: rwsplit,
    database: SCHEMA,
    username: accounts.app.user,
    password: accounts.app.password,
    extra: { nodes: nodes.map(({ host, port }) => ({ host, port })), monitor: accounts.monitor },
    entities: [account],
  });
  await source.initialize();
  ends.push(async () => source.destroy());
  const repository = source.getRepository(account);
  await holdToIt('typeorm', {
    insert: async (name) => repository.insert({ name }),
    count: async (name) => repository.countBy({ name }),
    countInTransaction: async (name) => {
      const runner = source.createQueryRunner();
      await runner.startTransaction();
      await runner.manager.insert(account, { name });
      const found = await runner.manager.countBy(account, { name });
      await runner.rollbackTransaction();
      await runner.release();
      return found;
    },
  });
});

test('Sequelize with the module as its dialectModule', async () => {
  const { accounts, nodes } = clusterInfo();
  const sequelize = new Sequelize(SCHEMA, accounts.app.user, accounts.app.password, {
    dialect: 'mysql',
    dialectModule: rwsplit,
    dialectOptions: { nodes: nodes.map(({ host, port }) => ({ host, port })), monitor: accounts.monitor },
    logging: false,
    pool: { max: 2 },
  });
  ends.push(async () => sequelize.close());
  const account = sequelize.define('account', { name: DataTypes.STRING }, { tableName: 'account', timestamps: false });
  await holdToIt('sequelize', {
    insert: async (name) => account.create({ name }),
    count: async (name) => account.count({ where: { name } }),
    countInTransaction: async (name) => {
      const transaction = await sequelize.transaction();
      await account.create({ name }, { transaction });
      const found = await account.count({ where: { name }, transaction });
      await transaction.rollback();
      return found;
    },
  });
});
