import { DEFAULTS } from '../defaults.js';
import { assess, sameTopology, type Observation } from '../topology/assess.js';
import type { Node, NodeAddress, Snapshot } from '../topology/snapshot.js';
import type { MonitorLogin } from './monitor-login.js';
import { NodeProbe } from './node-probe.js';

/** A node that answered before is taken to be silent only after so many probes without an answer. */
const SILENT_AFTER = 3;

/** Keeps looking at all nodes, and tells of each change. */
export class Monitor {
  readonly #probes: readonly NodeProbe[];
  readonly #observations: Observation[];
  readonly #failures: number[];
  readonly #onChange: (snapshot: Snapshot) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;
  snapshot: Snapshot;

  constructor(nodes: readonly NodeAddress[], login: MonitorLogin, onChange: (snapshot: Snapshot) => void) {
    this.#probes = nodes.map((node) => new NodeProbe(node, login, DEFAULTS.probeTimeoutMs));
    this.#observations = nodes.map((address) => ({ kind: 'unseen', address }));
    this.#failures = nodes.map(() => 0);
    this.#onChange = onChange;
    this.snapshot = assess(this.#observations, 0);
  }

  /** Looks at every node once, then goes on looking. @returns what each node said at first */
  async start(): Promise<readonly Observation[]> {
    await Promise.all(
      this.#probes.map(async (probe, index) => {
        this.#observations[index] = await probe.observe();
      }),
    );
    this.#reassess();
    const first = [...this.#observations];
    for (const [index, probe] of this.#probes.entries()) this.#schedule(probe, index);
    return first;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const probe of this.#probes) probe.close();
  }

  /** What the primary has now, whatever was seen of it before; undefined where it does not answer. */
  async askPrimary(): Promise<Node | undefined> {
    const name = this.snapshot.primary?.address.name;
    const index = this.#probes.findIndex(({ address }) => address.name === name);
    const seen = await this.#probes[index]?.observe();
    if (seen?.kind !== 'answered' || this.#stopped) return undefined;
    this.#observations[index] = seen;
    this.#reassess();
    const { primary } = this.snapshot;
    return primary?.address.name === name ? primary : undefined;
  }

  #schedule(probe: NodeProbe, index: number): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#look(probe, index);
    }, DEFAULTS.probeIntervalMs);
    this.#timers.add(timer);
  }

  async #look(probe: NodeProbe, index: number): Promise<void> {
    const seen = await probe.observe();
    const failures = seen.kind === 'silent' ? (this.#failures[index] ?? 0) + 1 : 0;
    this.#failures[index] = failures;
    // One probe that was late says more of a busy machine than of the node.
    if (failures === 0 || failures >= SILENT_AFTER) {
      this.#observations[index] = seen;
      this.#reassess();
    }
    this.#schedule(probe, index);
  }

  #reassess(): void {
    const before = this.snapshot;
    this.snapshot = assess(this.#observations, before.version + 1);
    if (!this.#stopped && !sameTopology(this.snapshot, before)) this.#onChange(this.snapshot);
  }
}
