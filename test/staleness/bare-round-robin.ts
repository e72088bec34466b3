import { createPool, type Pool, type RowDataPacket } from 'mysql2/promise';
import type { Account } from '../../docker/cluster/cluster.js';
import { pick } from '../random.js';
import type { Key } from './actor.js';
import { SCHEMA, type Run } from './run.js';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** What an ORM does with a list of replicas: writes go to the primary, reads to the replicas in turn, whatever those have. */
export class BareRoundRobin {
  readonly #primary: Pool;
  readonly #replicas: readonly Pool[];
  #turn = 0;

  constructor(primary: Address, replicas: readonly Address[], { user, password }: Account) {
    const poolOf = ({ host, port }: Address): Pool =>
      createPool({ host, port, user, password, database: SCHEMA, connectionLimit: 4 });
    this.#primary = poolOf(primary);
    this.#replicas = replicas.map(poolOf);
  }

  /** A user that writes its own keys, and reads all, until the run ends. */
  async use(run: Run, own: readonly Key[], all: readonly Key[]): Promise<void> {
    const session = run.nextSession();
    while (!run.progress.ended) {
      const key = pick(run.random, own);
      key.value++;
      run.history.sent(key.id, key.value);
      await this.#primary.query('UPDATE kv SET v = ? WHERE k = ?', [key.value, key.id]);
      run.history.acknowledged(session, key.id, key.value);
      for (const { id } of [key, pick(run.random, all), pick(run.random, own)]) await this.#read(run, session, id);
    }
  }

  async #read(run: Run, session: number, key: number): Promise<void> {
    const since = run.history.now;
    this.#turn = (this.#turn + 1) % this.#replicas.length;
    const [rows] = (await this.#replicas[this.#turn]?.query<RowDataPacket[]>(
      'SELECT @@server_id AS node, v FROM kv WHERE k = ?',
      [key],
    )) ?? [[]];
    const [row] = rows;
    run.read({ session, level: 'eventual', key, value: Number(row?.['v']), since }, Number(row?.['node']), 'read');
  }

  async end(): Promise<void> {
    await Promise.all([this.#primary, ...this.#replicas].map(async (pool) => pool.end()));
  }
}
