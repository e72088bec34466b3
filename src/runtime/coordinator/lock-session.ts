import { createHash } from 'node:crypto';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { DEFAULTS } from '../../defaults.js';
import type { NodeAddress } from '../../topology/snapshot.js';
import type { PromoterLogin } from '../monitor-login.js';
import { errnoOf, whyOf } from '../probe-failure.js';

/** What a leader tells the others, by variables of the sessions that hold its locks. */
export interface Told {
  readonly name: string;
  readonly epoch: number;
  /** '' where there is none yet. */
  readonly record: string;
}

/** How the lock of one server is, as its last look saw it. */
export type LockState =
  /** By our session, without a break since then. */
  | { readonly kind: 'held'; readonly uuid: string; readonly sinceMs: number }
  | { readonly kind: 'free'; readonly uuid: string }
  /** By another session; what it tells, where it leads and we may see it. */
  | { readonly kind: 'taken'; readonly uuid: string; readonly told: Told | undefined }
  | { readonly kind: 'silent'; readonly why: string };

interface LockRow extends RowDataPacket {
  readonly held: number;
  readonly holder: number | null;
}

/** MySQL's bound for a lock's name, which it takes for the same in upper and lower case. */
const PLAIN_LOCK_NAME = /^[a-z0-9_.:-]{1,64}$/;
const TOLD =
  'SELECT VARIABLE_NAME AS name, CONVERT(VARIABLE_VALUE USING utf8mb4) AS value FROM performance_schema.user_variables_by_thread' +
  ' JOIN performance_schema.threads USING (THREAD_ID)' +
  " WHERE PROCESSLIST_ID = ? AND VARIABLE_NAME IN ('rwsplit_name', 'rwsplit_epoch', 'rwsplit_record')";
/** It may not be seen, or there is no such table. */
const NOT_TOLD: ReadonlySet<number> = new Set([1142, 1143, 1146]);

/** The lock of one server, and the session that holds it or tries to. Nothing here rejects: what fails leaves the session ended. */
export class LockSession {
  readonly #address: NodeAddress;
  readonly #login: PromoterLogin;
  readonly #lock: string;
  readonly #idleS: number;
  readonly #nowMs: () => number;
  #session: Connection | undefined;
  #uuid = '';
  #heldSinceMs: number | undefined;
  state: LockState = { kind: 'silent', why: 'it was not asked yet' };

  /** @param idleMs a session that asks nothing for so long is ended by the server @param nowMs for what is waited for */
  constructor(address: NodeAddress, login: PromoterLogin, cluster: string, idleMs: number, nowMs: () => number) {
    this.#address = address;
    this.#login = login;
    this.#lock = lockName(cluster);
    this.#idleS = Math.ceil(idleMs / 1_000);
    this.#nowMs = nowMs;
  }

  /** What is known of its lock while its answer is waited for. */
  get unanswered(): LockState {
    return { kind: 'silent', why: `${this.#address.name}: it has not answered yet` };
  }

  async look(): Promise<void> {
    await this.#attempt(async (session) => {
      const [row] = await this.#ask<LockRow>(
        session,
        'SELECT IS_USED_LOCK(?) <=> CONNECTION_ID() AS held, IS_USED_LOCK(?) AS holder',
        [this.#lock, this.#lock],
      );
      if (row?.held === 1) {
        this.#hold();
        return;
      }
      this.#heldSinceMs = undefined;
      const holder = row?.holder ?? undefined;
      const uuid = this.#uuid;
      this.state =
        holder === undefined
          ? { kind: 'free', uuid }
          : { kind: 'taken', uuid, told: await this.#toldBy(session, holder) };
    });
  }

  /** @returns whether it has the lock, which it does not wait for */
  async take(): Promise<boolean> {
    await this.#attempt(async (session) => {
      const [row] = await this.#ask<LockRow>(session, 'SELECT GET_LOCK(?, 0) AS held', [this.#lock]);
      if (row?.held === 1) this.#hold();
      else this.state = { kind: 'taken', uuid: this.#uuid, told: undefined };
    });
    return this.state.kind === 'held';
  }

  async release(): Promise<void> {
    await this.#whileHeld(async (session) => {
      this.#heldSinceMs = undefined;
      await this.#tell(session, undefined);
      await this.#ask(session, 'SELECT RELEASE_LOCK(?)', [this.#lock]);
      this.state = { kind: 'free', uuid: this.#uuid };
    });
  }

  /** @returns whether the lock is held, and what its holder tells is this */
  async tell(told: Told): Promise<boolean> {
    await this.#whileHeld(async (session) => this.#tell(session, told));
    return this.state.kind === 'held';
  }

  /** The lock goes with the session. */
  close(why = 'its session has ended'): void {
    this.#session?.destroy();
    this.#session = undefined;
    this.#heldSinceMs = undefined;
    this.state = { kind: 'silent', why: `${this.#address.name}: ${why}` };
  }

  #hold(): void {
    this.#heldSinceMs ??= this.#nowMs();
    this.state = { kind: 'held', uuid: this.#uuid, sinceMs: this.#heldSinceMs };
  }

  /** On the session that has the lock, and on no other. */
  async #whileHeld(act: (session: Connection) => Promise<void>): Promise<void> {
    const session = this.#session;
    if (session !== undefined && this.state.kind === 'held') await this.#attempt(act, session);
  }

  async #attempt(act: (session: Connection) => Promise<void>, on?: Connection): Promise<void> {
    try {
      await act(on ?? (await this.#connect()));
    } catch (error) {
      // Whether it has the lock still is not known: it must not be taken for what it was.
      if (on === undefined || on === this.#session) this.close(whyOf(error, this.#login.user));
    }
  }

  async #connect(): Promise<Connection> {
    if (this.#session !== undefined) return this.#session;
    const attributes = { program_name: 'rwsplit-coordinator' };
    const { session, flavour } = await this.#login.connect(this.#address, DEFAULTS.coordinatorRequestMs, attributes);
    session.on('error', () => {
      if (this.#session === session) this.close();
    });
    this.#session = session;
    const [node] = await this.#ask<RowDataPacket>(session, flavour.askNode);
    this.#uuid = String(node?.['uuid']);
    await this.#ask(session, 'SET SESSION wait_timeout = ?', [this.#idleS]);
    return session;
  }

  async #tell(session: Connection, told: Told | undefined): Promise<void> {
    const { name = null, epoch = null, record = null } = told ?? {};
    await this.#ask(session, 'SET @rwsplit_name = ?, @rwsplit_epoch = ?, @rwsplit_record = ?', [name, epoch, record]);
  }

  async #toldBy(session: Connection, holder: number): Promise<Told | undefined> {
    const rows = await this.#ask<RowDataPacket>(session, TOLD, [holder]).catch((error: unknown) => {
      if (NOT_TOLD.has(errnoOf(error) ?? 0)) return [];
      throw error;
    });
    const values = new Map(rows.map((it) => [String(it['name']), String(it['value'] ?? '')]));
    const epoch = Number(values.get('rwsplit_epoch') ?? '');
    if (!Number.isSafeInteger(epoch) || epoch <= 0) return undefined;
    return { epoch, name: values.get('rwsplit_name') ?? '', record: values.get('rwsplit_record') ?? '' };
  }

  async #ask<T extends RowDataPacket>(session: Connection, sql: string, values: readonly unknown[] = []): Promise<T[]> {
    const timeout = DEFAULTS.coordinatorRequestMs;
    const [rows] = await session.query<T[]>({ sql, values: [...values], timeout });
    return rows;
  }
}

function lockName(cluster: string): string {
  const name = `rwsplit:${cluster}`;
  return PLAIN_LOCK_NAME.test(name)
    ? name
    : `rwsplit:${createHash('sha256').update(cluster).digest('hex').slice(0, 56)}`;
}
