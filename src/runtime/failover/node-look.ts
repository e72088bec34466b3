import type { RowDataPacket } from 'mysql2/promise';
import type { NodeState, ReplicaState, SemiSyncState } from '../../failover/view.js';
import type { FailoverLook, ReplicaTold } from '../../flavour/failover-look.js';
import { JOURNAL } from '../../flavour/journal.js';
import { GtidSet } from '../../topology/gtid-set.js';
import { errnoOf } from '../probe-failure.js';
import type { HaSession } from './ha-session.js';

/** A primary that a node knows of. */
export interface JournalEntry {
  /** Of the leader that made it the primary. */
  readonly epoch: number;
  /** Which of that leader's changes it was. */
  readonly change: number;
  readonly serverUuid: string;
  readonly node: string;
}

/** What a node says of itself; what is known of it otherwise is not in here. */
export interface Looked extends Omit<
  NodeState,
  'name' | 'host' | 'port' | 'reach' | 'why' | 'failingSinceMs' | 'seenAtMs' | 'preference'
> {
  /** Who has been the primary, the last one first. */
  readonly journal: readonly JournalEntry[];
  /** Since when the server runs, by its own clock: it changes with each start of it only. */
  readonly uptimeS: number;
  /** What its super_read_only is comes from its configuration: nobody has set it since it was started. */
  readonly isAsStarted: boolean;
}

const PRIMARIES = `SELECT epoch, change_no, server_uuid AS uuid, node FROM ${JOURNAL} ORDER BY epoch DESC, change_no DESC LIMIT 100`;

const ER_UNKNOWN_SYSTEM_VARIABLE = 1193;
/** No such schema, or table; or the account may not see it. */
const NO_JOURNAL: ReadonlySet<number> = new Set([1044, 1049, 1142, 1146]);

/** Looks at one node, again and again. */
export class NodeLook {
  readonly #session: HaSession;
  readonly #nowMs: () => number;
  #hasSemiSync = true;
  #acknowledged = GtidSet.EMPTY;
  /** How far its receiver had come: when that was seen first, and when it had not been so before. */
  #received: { readonly place: string; readonly sinceMs: number; readonly afterMs: number } | undefined;
  #lookedFromMs = -Infinity;

  constructor(session: HaSession, nowMs: () => number) {
    this.#session = session;
    this.#nowMs = nowMs;
  }

  /** @throws why it does not answer */
  async look(timeoutMs: number): Promise<Looked> {
    const beganAtMs = this.#nowMs();
    if (!this.#session.isOpen) this.#hasSemiSync = true;
    const ask = async (sql: string): Promise<RowDataPacket[]> => this.#session.query(sql, timeoutMs);
    const { look } = await this.#session.flavour(timeoutMs);
    const [row] = await ask(look.askNode);
    if (row === undefined) throw new Error('it gave no answer to its variables');
    const { countsUnacknowledged, ...node } = look.nodeOf(row);
    const semiSync = await this.#semiSync(look, ask);
    const replicas = await ask(look.askReplica);
    const { askReceiver } = look;
    const receiver = askReceiver === undefined || replicas.length === 0 ? [] : await ask(askReceiver);
    const told = look.replicaOf(replicas, receiver[0]);
    const replica = told === undefined ? undefined : this.#timed(told, beganAtMs);
    this.#lookedFromMs = beganAtMs;
    return {
      ...node,
      acknowledged: countsUnacknowledged ? this.#acknowledgedOf(node.executed, semiSync) : undefined,
      replica,
      semiSync,
      journal: await this.#journal(ask),
    };
  }

  async #semiSync(
    look: FailoverLook,
    ask: (sql: string) => Promise<RowDataPacket[]>,
  ): Promise<SemiSyncState | undefined> {
    if (!this.#hasSemiSync) return undefined;
    try {
      const [row] = await ask(look.askSemiSync);
      if (row === undefined) return undefined;
      const status = await ask(look.askSemiSyncStatus);
      return look.semiSyncOf(row, new Map(status.map((it) => [String(it['Variable_name']), String(it['Value'])])));
    } catch (error) {
      if (errnoOf(error) !== ER_UNKNOWN_SYSTEM_VARIABLE) throw error;
      this.#hasSemiSync = false;
      return undefined;
    }
  }

  /** What was executed when nothing waited for its acknowledgement, of which it was asked afterwards. */
  #acknowledgedOf(executed: GtidSet, semiSync: SemiSyncState | undefined): GtidSet {
    if (semiSync?.sourceActive !== true || semiSync.waiting === 0) this.#acknowledged = executed;
    return this.#acknowledged;
  }

  #timed({ place, quietMs = Infinity, ...replica }: ReplicaTold, beganAtMs: number): ReplicaState {
    const nowMs = this.#nowMs();
    if (this.#received?.place !== place) this.#received = { place, sinceMs: nowMs, afterMs: this.#lookedFromMs };
    const { sinceMs, afterMs } = this.#received;
    return {
      ...replica,
      quietForMs: Math.min(quietMs, nowMs - sinceMs),
      heardAtMs: Math.max(beganAtMs - quietMs, afterMs),
    };
  }

  async #journal(ask: (sql: string) => Promise<RowDataPacket[]>): Promise<readonly JournalEntry[]> {
    try {
      const rows = await ask(PRIMARIES);
      return rows.map((it) => ({
        epoch: Number(it['epoch']),
        change: Number(it['change_no']),
        serverUuid: String(it['uuid']),
        node: String(it['node']),
      }));
    } catch (error) {
      if (!NO_JOURNAL.has(errnoOf(error) ?? 0)) throw error;
      return [];
    }
  }
}
