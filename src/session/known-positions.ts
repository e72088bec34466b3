import type { GtidSet } from '../topology/gtid-set.js';
import type { Node } from '../topology/snapshot.js';

/** What a server is known to have, until it turns out to be another one: then it gets another object. */
export class KnownPosition {
  readonly node: string;
  readonly serverUuid: string;
  executed: GtidSet;
  /** The probe's set that was looked at last. */
  probed: GtidSet;
  provedAtMs = 0;
  /** A wait there came to nothing, and nothing has been heard of it since. */
  isLate = false;

  constructor({ address, serverUuid, executed }: Node) {
    this.node = address.name;
    this.serverUuid = serverUuid;
    this.executed = executed;
    this.probed = executed;
  }

  /** A wait for the set has succeeded there. */
  proved(set: GtidSet, nowMs: number): void {
    this.executed = this.executed.union(set);
    this.provedAtMs = nowMs;
    this.isLate = false;
  }
}

/** What all nodes are known to have, from probes and from waits of any session: nobody waits for that again. */
export class KnownPositions {
  readonly #byNode = new Map<string, KnownPosition>();

  /** Takes in what the probe of the node said, where that is news. */
  of(node: Node): KnownPosition {
    const known = this.#byNode.get(node.address.name);
    if (known !== undefined && known.probed === node.executed && known.serverUuid === node.serverUuid) return known;
    if (known === undefined || isRebuilt(known, node)) {
      const position = new KnownPosition(node);
      this.#byNode.set(node.address.name, position);
      return position;
    }
    known.probed = node.executed;
    known.isLate = false;
    if (node.executed.contains(known.executed)) known.executed = node.executed;
    return known;
  }
}

/** A server never has less than before: this one was made anew. What was asked before the last proof says nothing of it. */
function isRebuilt(known: KnownPosition, { serverUuid, executed, askedAtMs }: Node): boolean {
  if (known.serverUuid !== serverUuid) return true;
  return askedAtMs > known.provedAtMs && !executed.contains(known.executed);
}
