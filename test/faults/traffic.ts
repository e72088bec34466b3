import { setTimeout as pause } from 'node:timers/promises';
import type { Connection, ResultSetHeader } from 'mysql2/promise';
import type { Row, TestProxy } from '../proxy.js';

const READERS = 6;
/** Between a client's statements: the servers of a test share two cores with it. */
const PAUSE_MS = 2;
const PAUSE_BETWEEN_LOGINS_MS = 50;

/** Clients that read and write through a proxy all the time, and what becomes of what they ask. */
export class Traffic {
  /** Errors that clients have got, and answers that were not right. */
  readonly failures: string[] = [];
  writes = 0;
  readonly #reads = new Map<number, number>();
  readonly #running: Promise<void>[];
  readonly #clients: readonly Connection[];
  #isOver = false;

  /** @param clients the first writes, and reads what it wrote */
  private constructor(clients: readonly Connection[], connect: () => Promise<Connection>) {
    const [writer, ...readers] = clients;
    this.#clients = clients;
    this.#running = readers.map(async (client, index) => this.#repeat(async () => this.#read(client, index % 2 === 0)));
    if (writer !== undefined) this.#running.push(this.#repeat(async () => this.#write(writer)));
    this.#running.push(this.#repeat(async () => this.#comeAndGo(connect), PAUSE_BETWEEN_LOGINS_MS));
  }

  /** @param login of a user with a table `traffic.t` */
  static async start(proxy: TestProxy, login: { user: string; password: string }): Promise<Traffic> {
    const connect = async (): Promise<Connection> => proxy.connect({ ...login, database: 'traffic' });
    return new Traffic(await Promise.all(Array.from({ length: READERS + 1 }, connect)), connect);
  }

  /** How many reads a server has answered; all, without one. */
  reads(serverId?: number): number {
    if (serverId !== undefined) return this.#reads.get(serverId) ?? 0;
    return [...this.#reads.values()].reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    for (const client of this.#clients) client.destroy();
  }

  async #repeat(step: () => Promise<void>, pauseMs = PAUSE_MS): Promise<void> {
    while (!this.#isOver) {
      try {
        await step();
      } catch (error) {
        this.failures.push(String(error));
      }
      await pause(pauseMs);
    }
  }

  async #read(client: Connection, prepared: boolean): Promise<void> {
    const sql = 'SELECT @@server_id AS id FROM t LIMIT 1';
    const [[row]] = prepared ? await client.execute<Row[]>(sql) : await client.query<Row[]>(sql);
    const id = Number(row?.['id']);
    this.#reads.set(id, this.reads(id) + 1);
  }

  async #comeAndGo(connect: () => Promise<Connection>): Promise<void> {
    const client = await connect();
    await this.#read(client, false);
    await client.end();
  }

  async #write(client: Connection): Promise<void> {
    const [{ insertId }] = await client.query<ResultSetHeader>('INSERT INTO t (v) VALUES (1)');
    this.writes++;
    const [[row]] = await client.query<Row[]>(`SELECT COUNT(*) AS seen FROM t WHERE id = ${insertId}`);
    if (row?.['seen'] !== 1) this.failures.push(`the write ${insertId} was not seen by its own session`);
  }
}
