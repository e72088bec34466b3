import type { ClusterView, NodeState } from '../../failover/view.js';

/** What a decision has seen, for the log. */
export function loggable({ primary, others }: ClusterView): object {
  return { primary: primary === undefined ? undefined : ofNode(primary), others: others.map(ofNode) };
}

function ofNode({ name, reach, why, executed, readOnly, replica }: NodeState): object {
  return {
    name,
    reach,
    why,
    readOnly,
    executed: executed.toString(),
    received: replica?.received.toString(),
    receiver: replica?.receiver,
    quietForMs: replica === undefined ? undefined : Math.round(replica.quietForMs),
  };
}
