import type { OwnPromotion } from '../../src/classify/own-statement.js';
import { RwsplitError } from '../../src/errors.js';
import type { Plan } from '../../src/failover/plan.js';
import type { PromotionEnd } from '../../src/runtime/failover/promotions.js';
import type { FailoverStatus } from '../../src/runtime/failover/supervised-cluster.js';
import type { ResultSet } from './result-set.js';

/** Who can make another node the primary. */
export interface Promoter {
  readonly status: FailoverStatus;
  planFailover(): Plan;
  planSwitchover(to: string, force: boolean): Promise<Plan>;
  failOverByHand(): Promise<PromotionEnd>;
  switchOver(to: string, force: boolean): Promise<PromotionEnd>;
}

/** `RWSPLIT SWITCHOVER` and `RWSPLIT FAILOVER`: done, or only told what would be. @throws RwsplitError where it is not done */
export async function promote({ to, how }: OwnPromotion, promoter: Promoter | undefined): Promise<ResultSet> {
  if (promoter === undefined) {
    const what =
      'this proxy promotes nobody (failover.coordinator: follow): name another coordinator in its configuration';
    throw new RwsplitError('bad-command', what);
  }
  if (how === 'dry-run') {
    return planned(to === undefined ? promoter.planFailover() : await promoter.planSwitchover(to, false));
  }
  const end = await (to === undefined ? promoter.failOverByHand() : promoter.switchOver(to, how === 'force'));
  if (end.kind === 'failed') throw new RwsplitError('bad-command', end.why);
  const left = end.left.length === 0 ? '' : `; yet to be done, by itself: ${end.left.join(', ')}`;
  return {
    columns: [
      { name: 'node', type: 'text' },
      { name: 'what', type: 'text' },
    ],
    rows: [[end.node, `it is the primary now${left}`]],
  };
}

function planned(plan: Plan): ResultSet {
  if (plan.kind === 'refused') throw new RwsplitError('bad-command', `it would be refused: ${plan.reasons.join('; ')}`);
  return {
    columns: [
      { name: 'step', type: 'text' },
      { name: 'node', type: 'text' },
      { name: 'what', type: 'text' },
      { name: 'why', type: 'text' },
    ],
    rows: plan.steps.map(({ step, node, commands, why }) => [step, node, commands.join('; '), why]),
  };
}
