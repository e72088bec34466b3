import { follows, type ClusterView, type NodeState } from '../../failover/view.js';
import type { HaNode } from './ha-node.js';
import type { WatchedNodes } from './watched-nodes.js';

/** Who is the primary, by the last failover, the journal or what the servers say; and what is remembered of it for when it is gone. */
export class KnownPrimary {
  readonly #nodes: WatchedNodes;
  readonly #nowMs: () => number;
  readonly #attachedAtMs: (node: string) => number;
  #uuid: string | undefined;
  /** Server ids of those that have been the primary. */
  readonly #former = new Set<string>();
  #servingEpoch = 0;
  #epoch = 0;
  #ackers: readonly NodeState[] = [];
  #acknowledgements = 0;
  #wroteAtMs: number | undefined;

  /** @param attachedAtMs when a node may have been told last from whom to receive */
  constructor(nodes: WatchedNodes, nowMs: () => number, attachedAtMs: (node: string) => number) {
    this.#nodes = nodes;
    this.#attachedAtMs = attachedAtMs;
    this.#nowMs = nowMs;
  }

  get uuid(): string | undefined {
    return this.#uuid;
  }

  get node(): HaNode | undefined {
    return [...this.#nodes].find(({ state }) => state?.serverUuid === this.#uuid);
  }

  /** It, where it does not answer now: what runs there does not end by itself. */
  get left(): string | undefined {
    const { node } = this;
    return node?.failingSinceMs === undefined ? undefined : node.address.name;
  }

  get view(): ClusterView {
    const states = this.#nodes.states.map((it) => ({ ...it, isOutdated: it.seenAtMs < this.#attachedAtMs(it.name) }));
    const primary = states.find(({ serverUuid }) => serverUuid === this.#uuid);
    return { nowMs: this.#nowMs(), primary, others: states.filter((it) => it !== primary) };
  }

  /** Its own journal names it: who leads later knows that it was the primary. */
  get isJournaled(): boolean {
    return this.#uuid !== undefined && this.node?.journal[0]?.serverUuid === this.#uuid;
  }

  /** Of the leader that made it the primary. */
  get servingEpoch(): number {
    return this.#servingEpoch;
  }

  /** The largest epoch of any journal. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Replicas that acknowledged its transactions when it was well last. */
  get ackers(): readonly NodeState[] {
    return this.#ackers;
  }

  /** How many of them each transaction had. */
  get acknowledgements(): number {
    return this.#acknowledgements;
  }

  /** It was seen to take writes. */
  get hasWritten(): boolean {
    return this.#wroteAtMs !== undefined;
  }

  /** Server ids of those that were it before. */
  get former(): ReadonlySet<string> {
    return new Set([...this.#former].filter((uuid) => uuid !== this.#uuid));
  }

  became(serverUuid: string, epoch: number): void {
    this.servesSince(epoch);
    if (this.#uuid !== undefined) this.#former.add(this.#uuid);
    this.#uuid = serverUuid;
    this.#wroteAtMs = undefined;
  }

  servesSince(epoch: number): void {
    this.#servingEpoch = Math.max(this.#servingEpoch, epoch);
  }

  /** Somebody else has moved it. */
  wasMoved(serverUuid: string): void {
    this.#uuid = serverUuid;
    this.#wroteAtMs = undefined;
  }

  noteJournals(): void {
    for (const { journal } of this.#nodes) {
      for (const { epoch, serverUuid } of journal) {
        this.#epoch = Math.max(this.#epoch, epoch);
        this.#former.add(serverUuid);
      }
    }
  }

  /** It answers, and takes writes. */
  isWell(primary: NodeState, others: readonly NodeState[]): void {
    this.#wroteAtMs = primary.seenAtMs;
    this.#ackers = others.filter(
      (it) =>
        it.reach === 'answers' &&
        follows(it, primary) &&
        it.replica?.receiver === 'on' &&
        it.semiSync?.replicaEnabled === true,
    );
    if (primary.semiSync?.sourceEnabled === true) this.#acknowledgements = primary.semiSync.acknowledgements;
  }
}
