import { diagnose, type DiagnosisKind } from '../../failover/diagnosis.js';
import { askAnewOf, journalTask } from '../../failover/upkeep.js';
import type { ClusterView, NodeState } from '../../failover/view.js';
import { GtidSet } from '../../topology/gtid-set.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { EventLog } from '../event-log.js';
import type { Conductor } from './conductor.js';
import type { Decisions } from './decisions.js';
import type { HaNode } from './ha-node.js';
import type { KnownPrimary } from './known-primary.js';
import { RETRY_MS, type Promotions } from './promotions.js';
import type { Turn } from './turn.js';
import type { Upkeeper } from './upkeeper.js';
import type { WatchedNodes } from './watched-nodes.js';

/** What a leader does beside failovers, which do not wait for it: it keeps the cluster whole, and has replicas show whether they hear of the primary. */
export class Housekeeping {
  readonly #nodes: WatchedNodes;
  readonly #primary: KnownPrimary;
  readonly #coordinator: Coordinator;
  readonly #conductor: Conductor;
  readonly #upkeeper: Upkeeper;
  readonly #promotions: Promotions;
  readonly #decisions: Decisions;
  readonly #turn: Turn;
  readonly #leftAlone: () => ReadonlySet<string>;
  readonly #log: EventLog;
  #askedAnew = false;

  /** @param leftAlone by command nothing is done with these */
  constructor(
    { nodes, primary }: { readonly nodes: WatchedNodes; readonly primary: KnownPrimary },
    coordinator: Coordinator,
    conductor: Conductor,
    upkeeper: Upkeeper,
    promotions: Promotions,
    decisions: Decisions,
    turn: Turn,
    leftAlone: () => ReadonlySet<string>,
    log: EventLog,
  ) {
    this.#nodes = nodes;
    this.#primary = primary;
    this.#coordinator = coordinator;
    this.#conductor = conductor;
    this.#upkeeper = upkeeper;
    this.#promotions = promotions;
    this.#decisions = decisions;
    this.#turn = turn;
    this.#leftAlone = leftAlone;
    this.#log = log;
  }

  primaryIsWell(): void {
    this.#askedAnew = false;
  }

  /** Replicas are asked for a better answer: to connect anew, once for each time that the primary goes down; or to start, where they stand still. */
  async askAnew(view: ClusterView, diagnosis: DiagnosisKind): Promise<void> {
    const { leadership } = this.#coordinator;
    if (leadership === undefined || this.#turn.isTaken || (diagnosis === 'refuses-here' && this.#askedAnew)) return;
    const tasks = askAnewOf(view, diagnosis);
    if (tasks.length === 0 || this.#promotions.rests) return;
    this.#askedAnew = true;
    this.#turn.takeGivingWay();
    this.#decisions.begin({ kind: 'ask-anew', epoch: leadership.epoch, why: diagnose(view).why, diagnosis, view });
    await Promise.all(tasks.map(async (task) => this.#conductor.run(task, leadership)));
    this.#decisions.end('');
    this.#turn.end();
    if (diagnosis === 'suspect') this.#promotions.rest(RETRY_MS);
    this.#nodes.hurry();
  }

  async keepUp(): Promise<void> {
    const { leadership } = this.#coordinator;
    const { node, view } = this.#primary;
    if (leadership === undefined || this.#turn.isTaken || node?.failingSinceMs !== undefined) return;
    const { primary } = view;
    if (primary === undefined || node === undefined || this.#changedSinceLooked().includes(node.address.name)) return;
    this.#turn.takeGivingWay();
    const diagnosis = diagnose(view).kind;
    const { epoch } = leadership;
    this.#decisions.begin({ kind: 'upkeep', epoch, why: 'the cluster is to be whole', diagnosis, view });
    try {
      // A row more would wait with those that wait.
      const waits = (primary.semiSync?.waiting ?? 0) > 0;
      if (!primary.readOnly && !waits && !this.#primary.isJournaled) {
        // So that a proxy that starts after a failover knows who is the primary, however many take writes by then.
        await this.#conductor.run(journalTask(primary, epoch), leadership);
        await node.lookNow();
      }
      const isChanged = await this.#upkeeper.keepUp(this.#primary.view, leadership, {
        formerPrimaries: this.#primary.former,
        promoting: this.#promoting(primary),
        acknowledgements: this.#primary.acknowledgements,
        primaryRestarted: node.isAsStarted,
        leftAlone: new Set([...this.#leftAlone(), ...this.#changedSinceLooked()]),
      });
      if (isChanged) this.#nodes.hurry();
    } finally {
      this.#decisions.end('');
      // What was given up has told nobody what the nodes are in.
      if (!this.#turn.givesWay) this.#nodes.hurry();
      this.#turn.end();
    }
  }

  /** A failover is due: what is under way comes to its end, and the nodes are looked at anew before anything is decided. */
  giveWay(): void {
    this.#turn.giveWay();
    this.#log.warn('what was being done for the cluster is given up: the primary is dead');
    this.#conductor.giveUp();
  }

  /** What these said last is from before something was done there: who takes a replica for none would have it drop what it has acknowledged. */
  #changedSinceLooked(): string[] {
    const isOutdated = (it: HaNode): boolean => it.lookedFromMs < this.#conductor.doneAtMs(it.address.name);
    return [...this.#nodes].filter((it) => isOutdated(it)).map(({ address }) => address.name);
  }

  /** The record says that it is to be opened: who wrote that may not have come to do it. */
  #promoting(primary: NodeState): { readonly gtids: GtidSet; readonly epoch: number } | undefined {
    const { record, leadership } = this.#coordinator;
    if (record?.phase !== 'promoting' || record.serverUuid !== primary.serverUuid || leadership === undefined) {
      return undefined;
    }
    return { gtids: GtidSet.parse(record.gtid) ?? GtidSet.EMPTY, epoch: leadership.epoch };
  }
}
