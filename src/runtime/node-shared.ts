import { DEFAULTS } from '../defaults.js';
import type { NodeAddress } from '../topology/snapshot.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { PreparedBudget } from './prepared-cache.js';

/** What all connections to one node share, whosever they are: a dead node is dead for all users. */
export interface NodeShared {
  readonly breaker: CircuitBreaker;
  readonly prepared: PreparedBudget;
}

export class NodesShared {
  readonly #byNode = new Map<string, NodeShared>();

  of(node: NodeAddress): NodeShared {
    let shared = this.#byNode.get(node.name);
    if (shared === undefined) {
      shared = {
        breaker: new CircuitBreaker(DEFAULTS.backOffMinMs, DEFAULTS.backOffMaxMs),
        prepared: new PreparedBudget(DEFAULTS.preparedPerNode),
      };
      this.#byNode.set(node.name, shared);
    }
    return shared;
  }
}
