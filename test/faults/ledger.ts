import { createConnection, type Connection, type ConnectionOptions, type RowDataPacket } from 'mysql2/promise';

/** What one writer knows of one row that it has inserted. */
export type Fate = 'acknowledged' | 'not-executed' | 'unknown';

export interface Entry {
  readonly id: string;
  /** Which of the writers. */
  readonly writer: number;
  readonly fate: Fate;
  /** Milliseconds from the ledger's beginning. */
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly error: string;
}

/** What an error may tell of itself. */
interface Told {
  readonly errno?: number;
  readonly message?: string;
  readonly outcome?: string;
}

/** Errors after which nothing was written, by what they say themselves. */
function fateOf(error: unknown): Fate {
  if (typeof error !== 'object' || error === null) return 'unknown';
  const { errno, message, outcome } = error as Told;
  if (errno === 1213 || outcome === 'not-executed') return 'not-executed';
  return message?.includes('was not executed') === true ? 'not-executed' : 'unknown';
}

/** What a writer writes over. */
export interface LedgerClient {
  query(sql: string, values: unknown[]): Promise<unknown>;
  destroy(): void;
}

/** Clients that insert rows, one after another, and keep what became of each: the truth that a failover is held to. */
export class Ledger {
  readonly entries: Entry[] = [];
  readonly #connect: (writer: number) => Promise<LedgerClient>;
  readonly #writers: Promise<void>[] = [];
  readonly #beganAtMs = performance.now();
  /** No two ledgers write the same rows. */
  readonly #name = Math.random().toString(36).slice(2, 8);
  #stopped = false;

  /** @param to where writers connect to, or how they do: to a schema with the table `ledger (id VARCHAR(40) PRIMARY KEY)` */
  constructor(to: ConnectionOptions | ((writer: number) => Promise<LedgerClient>)) {
    this.#connect = typeof to === 'function' ? to : async () => connect(to);
  }

  get nowMs(): number {
    return performance.now() - this.#beganAtMs;
  }

  start(writers: number): void {
    for (let i = 0; i < writers; i++) this.#writers.push(this.#write(i));
  }

  /** Resolves when each statement has had its answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writers);
  }

  acknowledgedSince(ms: number): number {
    return this.entries.filter((it) => it.fate === 'acknowledged' && it.sentMs >= ms).length;
  }

  /** Acknowledged rows that a server does not have. */
  async lostOn(server: Connection): Promise<string[]> {
    const [rows] = await server.query<RowDataPacket[]>('SELECT id FROM ledger');
    const has = new Set(rows.map((it) => String(it['id'])));
    return this.entries.filter(({ id, fate }) => fate === 'acknowledged' && !has.has(id)).map(({ id }) => id);
  }

  /** Rows that were said not to have been executed, and are there. */
  async unexpectedOn(server: Connection): Promise<string[]> {
    const [rows] = await server.query<RowDataPacket[]>('SELECT id FROM ledger');
    const has = new Set(rows.map((it) => String(it['id'])));
    return this.entries.filter(({ id, fate }) => fate === 'not-executed' && has.has(id)).map(({ id }) => id);
  }

  async #write(writer: number): Promise<void> {
    let client: LedgerClient | undefined;
    for (let i = 0; !this.#stopped; i++) {
      const id = `${this.#name}-${writer}-${i}`;
      const sentMs = this.nowMs;
      try {
        client ??= await this.#connect(writer);
        await client.query('INSERT INTO ledger (id) VALUES (?)', [id]);
        this.entries.push({ id, writer, fate: 'acknowledged', sentMs, answeredMs: this.nowMs, error: '' });
      } catch (error) {
        const fate = client === undefined ? 'not-executed' : fateOf(error);
        this.entries.push({ id, writer, fate, sentMs, answeredMs: this.nowMs, error: textOf(error) });
        client?.destroy();
        client = undefined;
        // As an application does that has to connect anew.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    client?.destroy();
  }
}

async function connect(options: ConnectionOptions): Promise<Connection> {
  const client = await createConnection(options);
  client.on('error', () => {});
  return client;
}

function textOf(error: unknown): string {
  return error instanceof Error && 'outcome' in error ? `${String(error)} (${String(error.outcome)})` : String(error);
}
