import type { ClusterView, NodeState } from '../../failover/view.js';

/** What a decision has seen, for the log. */
export function loggable({ primary, others }: ClusterView): object {
  const of = ({ name, reach, why, executed, readOnly, replica }: NodeState): object => ({
    name,
    reach,
    why,
    readOnly,
    executed: executed.toString(),
    received: replica?.received.toString(),
    receiver: replica?.receiver,
    quietForMs: replica === undefined ? undefined : Math.round(replica.quietForMs),
  });
  return { primary: primary === undefined ? undefined : of(primary), others: others.map(of) };
}
