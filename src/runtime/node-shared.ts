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
  /** Attempts to make one that are under way: each can be told that it is in vain. */
  readonly attempts: Set<(why: RwsplitError) => void>;
  /** A connection could not be made. */
  failed(why: string): void;
}

export class NodesShared {
  readonly #byNode = new Map<string, NodeShared>();
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
        attempts: new Set(),
        failed: (why) => this.#onFailed(node.name, why),
      };
      this.#byNode.set(node.name, shared);
    }
    return shared;
  }

  /** Nobody is to use the node any more: what runs there, or waits for a connection, learns it now. @param isGone it cannot be told */
  drop(node: string, isGone: boolean): void {
    for (const connection of this.#byNode.get(node)?.connections ?? []) {
      if (connection.idle && !isGone) connection.close();
      else connection.destroy();
    }
    this.giveUpDials(node);
  }

  /** Nobody waits any more for connections that are being made. */
  giveUpDials(node: string): void {
    const { attempts } = this.#byNode.get(node) ?? {};
    for (const giveUp of attempts ?? []) {
      attempts?.delete(giveUp);
      giveUp(new RwsplitError('server-unreachable', `cannot reach ${node}: it is out of service`));
    }
  }
}

/** A connection that is being made; or an error, where its node is given up before: whoever waits goes elsewhere. */
export async function unlessGivenUp(
  { attempts }: NodeShared,
  dialled: Promise<ServerConnection>,
): Promise<ServerConnection> {
  return new Promise((resolve, reject) => {
    attempts.add(reject);
    dialled.then(
      (connection) => {
        if (attempts.delete(reject)) resolve(connection);
        else connection.close();
      },
      (error: unknown) => {
        attempts.delete(reject);
        reject(error);
      },
    );
  });
}
