import { diagnose } from '../../failover/diagnosis.js';
import { planFailover, planSwitchover, type Plan } from '../../failover/plan.js';
import type { SwitchoverSettings } from '../../failover/switchover-check.js';
import type { ClusterView } from '../../failover/view.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { KnownPrimary } from './known-primary.js';
import { whyNotLeading } from './objections.js';
import type { PromotionEnd, Promotions } from './promotions.js';
import type { ReplicationAccounts } from './replication-account.js';
import type { FailoverSettings } from './settings.js';
import type { Turn } from './turn.js';
import type { WatchedNodes } from './watched-nodes.js';

/** How often nodes are asked before a switchover takes it that they do not answer. */
const LOOKS = 10;
const LOOK_AGAIN_MS = 250;
const SWITCHOVER = { maxLagTransactions: 10_000, catchUpTimeoutMs: 30_000, holdTimeoutMs: 3_000 } as const;

const BUSY = 'the cluster is being changed already; say it again in a moment';

/** Changes of the primary by an operator's word, and dry runs of them. */
export class ChangesByHand {
  readonly #settings: FailoverSettings;
  readonly #nodes: WatchedNodes;
  readonly #primary: KnownPrimary;
  readonly #coordinator: Coordinator;
  readonly #accounts: ReplicationAccounts;
  readonly #promotions: Promotions;
  readonly #turn: Turn;

  constructor(
    settings: FailoverSettings,
    { nodes, primary }: { readonly nodes: WatchedNodes; readonly primary: KnownPrimary },
    coordinator: Coordinator,
    accounts: ReplicationAccounts,
    promotions: Promotions,
    turn: Turn,
  ) {
    this.#settings = settings;
    this.#nodes = nodes;
    this.#primary = primary;
    this.#coordinator = coordinator;
    this.#accounts = accounts;
    this.#promotions = promotions;
    this.#turn = turn;
  }

  /** Whatever was before: only that the primary does not answer is still asked for. */
  async failOver(): Promise<PromotionEnd> {
    const { leadership } = this.#coordinator;
    if (leadership === undefined) return { kind: 'failed', why: whyNotLeading(this.#coordinator) };
    if (this.#turn.isTaken) return { kind: 'failed', why: BUSY };
    const { view, ackers } = this.#primary;
    const { primary } = view;
    if (primary === undefined) return { kind: 'failed', why: 'no primary is known that could be replaced' };
    if (primary.reach === 'answers') {
      return { kind: 'failed', why: `${primary.name} answers: say RWSPLIT SWITCHOVER TO 'NODE', which loses nothing` };
    }
    const why = `asked for by hand; ${diagnose(view).why}`;
    return this.#turn.during(async () => this.#promotions.failOver(view, primary, why, ackers, leadership));
  }

  /** Makes another node the primary, without an error for any client; or leaves everything as it was. @param force ends transactions that do not end by themselves */
  async switchOver(to: string, force: boolean): Promise<PromotionEnd> {
    const { leadership } = this.#coordinator;
    if (leadership === undefined) return { kind: 'failed', why: whyNotLeading(this.#coordinator) };
    if (this.#turn.isTaken) return { kind: 'failed', why: BUSY };
    try {
      return await this.#turn.during(async () => {
        const view = await this.#lookAtAll(to);
        await this.#accounts.ask(this.#nodes);
        return this.#promotions.switchOver(view, to, this.#switchover(leadership.epoch, force), leadership);
      });
    } finally {
      this.#nodes.hurry();
    }
  }

  /** What a failover would do now, as if the primary were dead. */
  planFailover(): Plan {
    const { policy, drainTimeoutMs } = this.#settings;
    const { view, ackers, epoch } = this.#primary;
    return planFailover(view, ackers, { policy, drainTimeoutMs, epoch: epoch + 1 });
  }

  async planSwitchover(to: string, force: boolean): Promise<Plan> {
    return planSwitchover(await this.#lookAtAll(to), to, this.#switchover(this.#primary.epoch + 1, force));
  }

  /** What the nodes say now. A busy server may miss the short time that it has for an answer: there is time for another one. */
  async #lookAtAll(to: string): Promise<ClusterView> {
    for (let looks = 1; ; looks++) {
      await this.#nodes.lookNow();
      const { view } = this.#primary;
      const asked = [view.primary, view.others.find(({ name }) => name === to)];
      if (looks >= LOOKS || asked.every((it) => it === undefined || it.reach === 'answers')) return view;
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  #switchover(epoch: number, force: boolean): SwitchoverSettings {
    const { policy, drainTimeoutMs } = this.#settings;
    return { policy, epoch, ...SWITCHOVER, drainTimeoutMs, stragglers: force ? 'kill' : 'abort' };
  }
}
