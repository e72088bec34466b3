import { DEFAULTS } from '../defaults.js';
import { RwsplitError } from '../errors.js';
import type { NodeAddress } from '../topology/snapshot.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { PreparedBudget } from './prepared-cache.js';
import type { ServerConnection } from './server-connection.js';

/** What all connections to one node share, whosever they are: a dead node is dead for all users. */
export interface NodeShared {
  readonly breaker: CircuitBreaker;
  readonly prepared: PreparedBudget;
  readonly connections: Set<ServerConnection>;
  /** A connection could not be made. */
  failed(why: string): void;
  /** A connection that is being made, or, where the node is given up before, an error: whoever waits goes elsewhere. */
  unlessGivenUp(opening: Promise<ServerConnection>): Promise<ServerConnection>;
}

export class NodesShared {
  readonly #byNode = new Map<string, NodeShared>();
  /** What gives up connections that are being made, by node. */
  readonly #dials = new Map<string, Set<() => void>>();
  readonly #onFailed: (node: string, why: string) => void;

  /** @param onFailed a connection to a node could not be made */
  constructor(onFailed: (node: string, why: string) => void) {
    this.#onFailed = onFailed;
  }

  of(node: NodeAddress): NodeShared {
    let shared = this.#byNode.get(node.name);
    if (shared === undefined) {
      shared = {
        breaker: new CircuitBreaker(DEFAULTS.backOffMinMs, DEFAULTS.backOffMaxMs),
        prepared: new PreparedBudget(DEFAULTS.preparedPerNode),
        connections: new Set(),
        failed: (why) => this.#onFailed(node.name, why),
        unlessGivenUp: async (opening) => this.#unlessGivenUp(node, opening),
      };
      this.#byNode.set(node.name, shared);
    }
    return shared;
  }

  /** The node is gone, although its connections may not have noticed: what runs there learns it now. */
  drop(node: string): void {
    for (const connection of this.#byNode.get(node)?.connections ?? []) connection.destroy();
    this.giveUpDials(node);
  }

  /** Nobody waits any more for connections that are being made. */
  giveUpDials(node: string): void {
    for (const giveUp of this.#dials.get(node) ?? []) giveUp();
  }

  async #unlessGivenUp({ name }: NodeAddress, opening: Promise<ServerConnection>): Promise<ServerConnection> {
    const dials = this.#dials.get(name) ?? new Set();
    this.#dials.set(name, dials);
    let giveUp = (): void => {};
    const givenUp = new Promise<never>((_resolve, reject) => {
      giveUp = () => {
        reject(new RwsplitError('server-unreachable', `${name} does not answer, and was given up`));
        opening.then(
          (connection) => connection.close(),
          () => {},
        );
      };
    });
    dials.add(giveUp);
    try {
      return await Promise.race([opening, givenUp]);
    } finally {
      dials.delete(giveUp);
    }
  }
}
