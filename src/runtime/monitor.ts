import { DEFAULTS } from '../defaults.js';
import { assess, sameTopology } from '../topology/assess.js';
import { undiscovered } from '../topology/discover.js';
import type { NodeCommand } from '../topology/health.js';
import { PrimaryPositions } from '../topology/lag.js';
import type { NodeReport } from '../topology/observation.js';
import { rolesOf, type Appointed } from '../topology/roles.js';
import type { Node, NodeAddress, Snapshot } from '../topology/snapshot.js';
import type { NodeLogin } from './monitor-login.js';
import { NodeProbe } from './node-probe.js';
import { NodeWatch } from './node-watch.js';

export interface MonitorSettings {
  readonly nodes: readonly NodeAddress[];
  /** Nodes that the named ones tell of are looked at and used, too. */
  readonly discovery: boolean;
  readonly maxLagMs: number;
  /** Between two looks at a node; a function is asked before each pause. */
  readonly intervalMs: number | ((hasPrimary: boolean) => number);
  /** A node is being drained. @returns how many connections there are busy, or kept by a session */
  readonly drain: (node: string) => number;
}

/** Keeps looking at all nodes, and tells of each change. */
export class Monitor {
  readonly #watches: NodeWatch[];
  readonly #login: NodeLogin;
  readonly #settings: MonitorSettings;
  readonly #onChange: (snapshot: Snapshot, before: Snapshot) => void;
  readonly #positions = new PrimaryPositions();
  #lastPrimary: NodeReport | undefined;
  /** The server id of the primary that a failover has chosen: whoever else takes writes is none. */
  #appointed: Appointed | undefined;
  #appointments = 0;
  readonly #timers = new Map<NodeWatch, NodeJS.Timeout>();
  #stopped = false;
  #hurrying: Promise<void> | undefined;
  snapshot: Snapshot;

  constructor(settings: MonitorSettings, login: NodeLogin, onChange: (snapshot: Snapshot, before: Snapshot) => void) {
    this.#login = login;
    this.#settings = settings;
    this.#onChange = onChange;
    this.#watches = settings.nodes.map((node) => this.#watch(node, false));
    this.snapshot = assess([], rolesOf([]), 0);
  }

  /** Looks at every node once, at those that they tell of too, then goes on looking. */
  async start(): Promise<void> {
    for (let looked = 0; looked < this.#watches.length;) {
      const unseen = this.#watches.slice(looked);
      looked = this.#watches.length;
      await Promise.all(unseen.map(async (watch) => watch.look(false)));
      this.#discover();
    }
    this.#reassess();
    for (const watch of this.#watches) this.#schedule(watch, this.#intervalMs);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const watch of this.#watches) watch.probe.stop();
  }

  /** A connection to a node failed: the node is looked at without waiting for its turn. */
  connectionFailed(node: string, why: string): void {
    const watch = this.#watches.find(({ name }) => name === node);
    if (watch === undefined || this.#stopped) return;
    watch.connectionFailed(why);
    this.#reassess();
    // One that is being looked at already has no timer.
    if (this.#timers.has(watch)) this.#schedule(watch, 0);
  }

  /** Something says that roles have changed: all nodes are looked at without waiting for their turns. Resolves after that. */
  async hurry(): Promise<void> {
    this.#hurrying ??= Promise.all(this.#watches.map(async (watch) => watch.look(true))).then(() => {
      this.#hurrying = undefined;
      if (this.#stopped) return;
      this.#reassess();
      for (const watch of this.#timers.keys()) this.#schedule(watch, this.#intervalMs);
    });
    return this.#hurrying;
  }

  /** @returns whether there is such a node */
  command(node: string, event: NodeCommand): boolean {
    const watch = this.#watches.find(({ name }) => name === node);
    if (watch === undefined) return false;
    watch.command(event);
    this.#reassess();
    return true;
  }

  /** From now on this server is the primary while it takes writes, and no other one. Resolves when that is in the snapshot. */
  async appoint(serverUuid: string): Promise<void> {
    const appointment = ++this.#appointments;
    // What it said before it was made the primary would speak against it.
    await this.#watches.find(({ report }) => report?.serverUuid === serverUuid)?.look(true);
    // A server that does not answer may be looked at for so long that the next one has been appointed.
    if (this.#stopped || appointment !== this.#appointments) return;
    this.#appointed = { serverUuid, hasServed: false };
    this.#reassess();
  }

  /** What the primary has now, whatever was seen of it before; undefined where it does not answer. */
  async askPrimary(): Promise<Node | undefined> {
    const name = this.snapshot.primary?.address.name;
    const watch = this.#watches.find((it) => it.name === name);
    if (watch === undefined) return undefined;
    const beganAtMs = Date.now();
    await watch.look(false);
    if (this.#stopped || (watch.report?.askedAtMs ?? 0) < beganAtMs) return undefined;
    this.#reassess();
    const { primary } = this.snapshot;
    return primary?.address.name === name ? primary : undefined;
  }

  get #intervalMs(): number {
    const { intervalMs } = this.#settings;
    return typeof intervalMs === 'number' ? intervalMs : intervalMs(this.snapshot.primary !== undefined);
  }

  #watch(address: NodeAddress, isDiscovered: boolean): NodeWatch {
    return new NodeWatch(new NodeProbe(address, this.#login, DEFAULTS.probeTimeoutMs), isDiscovered);
  }

  #schedule(watch: NodeWatch, afterMs: number): void {
    clearTimeout(this.#timers.get(watch));
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(watch);
      void this.#look(watch);
    }, afterMs);
    this.#timers.set(watch, timer);
  }

  async #look(watch: NodeWatch): Promise<void> {
    const { report } = watch;
    await watch.look(report !== undefined && !this.#positions.hasAll(report));
    if (this.#stopped) return;
    const known = this.#watches.length;
    this.#discover();
    this.#reassess();
    if (this.#watches.includes(watch)) this.#schedule(watch, this.#intervalMs);
    for (const found of this.#watches.slice(known)) this.#schedule(found, 0);
  }

  #discover(): void {
    if (!this.#settings.discovery) return;
    const observations = this.#watches.map(({ observation }) => observation);
    const { misfits } = rolesOf(observations, this.#lastPrimary, this.#appointed);
    for (const address of undiscovered(observations, misfits)) this.#watches.push(this.#watch(address, true));
  }

  #reassess(): void {
    const nowMs = Date.now();
    const observations = this.#watches.map(({ observation }) => observation);
    const roles = rolesOf(observations, this.#lastPrimary, this.#appointed);
    if (roles.primary !== undefined) {
      this.#lastPrimary = roles.primary;
      this.#positions.note(roles.primary);
      // Somebody else has moved it, where it is another one.
      if (this.#appointed !== undefined) {
        this.#appointed = { serverUuid: roles.primary.serverUuid, hasServed: true };
      }
    }
    for (const watch of this.#watches) {
      const role = roles.roles.get(watch.name) ?? 'unknown';
      watch.judge(this.#positions, role, roles.misfits.get(watch.name), this.#settings.maxLagMs, nowMs);
      if (watch.health === 'draining') watch.drain(this.#settings.drain(watch.name));
    }
    this.#forget(nowMs);
    const before = this.snapshot;
    this.snapshot = assess(
      this.#watches.map((watch) => watch.assessed(nowMs)),
      roles,
      before.version + 1,
    );
    if (!this.#stopped && !sameTopology(this.snapshot, before)) this.#onChange(this.snapshot, before);
  }

  #forget(nowMs: number): void {
    for (let i = this.#watches.length - 1; i >= 0; i--) {
      const watch = this.#watches[i];
      if (watch?.isForgettable(nowMs) !== true || this.#isToldOf(watch)) continue;
      watch.probe.stop();
      clearTimeout(this.#timers.get(watch));
      this.#timers.delete(watch);
      this.#watches.splice(i, 1);
    }
  }

  #isToldOf({ probe: { address } }: NodeWatch): boolean {
    return this.#watches.some(({ report }) =>
      report?.found.some(({ host, port }) => host === address.host && port === address.port),
    );
  }
}
