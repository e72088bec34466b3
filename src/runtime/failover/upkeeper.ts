import { closeAgainTask, rebuildTask, upkeepOf, type Memory } from '../../failover/upkeep.js';
import { follows, type ClusterView } from '../../failover/view.js';
import { failoverFlavourOf } from '../../flavour/failover-of.js';
import type { Leadership } from '../coordinator/coordinator.js';
import type { EventLog } from '../event-log.js';
import type { Conductor } from './conductor.js';
import { stepOf, type Decisions } from './decisions.js';
import type { HaNode } from './ha-node.js';
import type { ReplicationAccounts } from './replication-account.js';

/** After a copy that failed: what was in its way may be gone soon, or be there still. Each further one waits for twice as long. */
const REBUILD_RETRY_MS = 5_000;
const MAX_REBUILD_RETRY_MS = 60_000;

/** Makes the cluster whole again while its primary is well: what is to be done says `failover/upkeep.ts`. */
export class Upkeeper {
  readonly #conductor: Conductor;
  readonly #accounts: ReplicationAccounts;
  readonly #node: (name: string) => HaNode | undefined;
  readonly #rebuilds: boolean;
  readonly #decisions: Decisions;
  readonly #log: EventLog;
  /** What is being copied takes as long as it takes. */
  readonly #rebuilding = new Set<string>();
  /** Copies that were begun and have not made a replica of the node, by its name. */
  readonly #tries = new Map<string, { readonly waitMs: number; readonly notBeforeMs: number }>();
  /** Errant nodes that have been told of, with what they have. */
  readonly #told = new Map<string, string>();
  /** Nodes whose data are being made anew, as they were told last. */
  #blank: ReadonlySet<string> = new Set();
  /** Why the primary is left closed, as it was told last. */
  #leftClosed: string | undefined;

  /** @param rebuilds a node whose data differ gets the primary's */
  constructor(
    conductor: Conductor,
    accounts: ReplicationAccounts,
    node: (name: string) => HaNode | undefined,
    rebuilds: boolean,
    decisions: Decisions,
    log: EventLog,
  ) {
    this.#conductor = conductor;
    this.#accounts = accounts;
    this.#node = node;
    this.#rebuilds = rebuilds;
    this.#decisions = decisions;
    this.#log = log;
  }

  /** @returns whether anything was done */
  async keepUp(view: ClusterView, leadership: Leadership, known: Omit<Memory, 'frozen'>): Promise<boolean> {
    const { primary, others } = view;
    if (primary === undefined) return false;
    await this.#accounts.ask([...others, primary].flatMap(({ name }) => this.#node(name) ?? []));
    const leftAlone = new Set([...known.leftAlone, ...this.#rebuilding]);
    const {
      tasks,
      errant,
      blank = [],
      leftClosed,
    } = upkeepOf(view, { ...known, leftAlone, frozen: this.#conductor.frozen });
    if (leftClosed !== undefined && leftClosed !== this.#leftClosed)
      this.#log.error({ node: primary.name }, leftClosed);
    this.#leftClosed = leftClosed;
    for (const it of others) if (follows(it, primary)) this.#tries.delete(it.name);
    const { lacksClone } = failoverFlavourOf(primary.version).statements;
    for (const [name, set] of errant) {
      this.#tell(name, set.toString(), primary.name, lacksClone ?? 'failover.rebuild: clone, or a backup');
      if (this.#rebuilds && lacksClone === undefined) void this.#rebuild(name, set.toString(), view, leadership);
    }
    this.#tellBlank(blank);
    await Promise.all(
      tasks.map(async (task) => {
        const end = await this.#conductor.run(task, leadership);
        const isSettled = task.name === 'open' && end.kind === 'done' && task.node === primary.name;
        if (isSettled) await this.#conductor.settled(primary, leadership);
      }),
    );
    return tasks.length > 0;
  }

  /** @param errant what is lost with it, which was told before */
  async #rebuild(name: string, errant: string, view: ClusterView, leadership: Leadership): Promise<void> {
    const state = this.#node(name)?.state;
    const { primary } = view;
    if (state === undefined || primary === undefined || this.#rebuilding.size > 0) return;
    const { waitMs, notBeforeMs } = this.#tries.get(name) ?? { waitMs: REBUILD_RETRY_MS, notBeforeMs: 0 };
    if (performance.now() < notBeforeMs) return;
    this.#rebuilding.add(name);
    const { epoch } = leadership;
    const why = `${name} has transactions that ${primary.name} does not have, and loses them: ${errant}`;
    this.#log.warn({ node: name, errant }, why);
    const task = rebuildTask(state, primary);
    // It ends without an answer: the server starts anew, or says that nobody is there to start it.
    const end = await this.#conductor.run(task, leadership);
    if (end.kind === 'failed') await this.#conductor.run(closeAgainTask(state), leadership);
    const steps = end.kind === 'deposed' ? [] : [stepOf(task, end)];
    this.#decisions.add({ kind: 'rebuild', epoch, why, view }, steps, end.kind);
    this.#rebuilding.delete(name);
    const nextMs = Math.min(2 * waitMs, MAX_REBUILD_RETRY_MS);
    this.#tries.set(name, { waitMs: nextMs, notBeforeMs: performance.now() + waitMs });
  }

  /** @param how it comes by the primary's data */
  #tellBlank(names: readonly string[]): void {
    for (const name of names) {
      if (this.#blank.has(name)) continue;
      const why =
        'has been the primary, and its data are from elsewhere: it does not replicate before it is told from where on';
      this.#log.warn(
        { node: name },
        `${name} ${why}; set gtid_slave_pos, then gtid_binlog_state (README, "A MariaDB server from a backup")`,
      );
    }
    this.#blank = new Set(names);
  }

  #tell(name: string, set: string, primary: string, how: string): void {
    if (this.#told.get(name) === set) return;
    this.#told.set(name, set);
    this.#log.error(
      { node: name, errant: set },
      `${name} has transactions that ${primary} does not have (${set}): it does not replicate, as its data would differ; ` +
        `save from them what is needed, then make it anew (${how})`,
    );
  }
}
