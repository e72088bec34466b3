import type { Snapshot } from '../../src/topology/snapshot.js';

interface Known {
  /** Each with its reason, in order. */
  readonly states: string[];
  wasLetInGently: boolean;
}

/** What a proxy in this process has thought of its nodes: of whatever length each state was, however slow the machine. */
export class NodeHistory {
  readonly #byNode = new Map<string, Known>();
  readonly #timer: NodeJS.Timeout;

  constructor(snapshot: () => Snapshot) {
    let last: Snapshot | undefined;
    // Due before any look at a node that would change the snapshot again.
    this.#timer = setInterval(() => {
      const now = snapshot();
      if (now !== last) this.#take(now);
      last = now;
    }, 1);
  }

  /** `HEALTH: REASON` for each state since the history began. */
  states(node: string): readonly string[] {
    return this.#byNode.get(node)?.states ?? [];
  }

  /** It has had a part of its reads only, while it was up. */
  wasLetInGently(node: string): boolean {
    return this.#byNode.get(node)?.wasLetInGently ?? false;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #take({ nodes }: Snapshot): void {
    for (const { address, health, why, share } of nodes) {
      const known = this.#byNode.get(address.name) ?? { states: [], wasLetInGently: false };
      this.#byNode.set(address.name, known);
      const state = `${health}: ${why}`;
      if (known.states.at(-1) !== state) known.states.push(state);
      // What is left of an earlier fault does not count.
      if (health === 'up' && share < 1 && known.states.length > 1) known.wasLetInGently = true;
    }
  }
}
