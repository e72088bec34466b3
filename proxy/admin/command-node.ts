import type { NodeVerb, OwnCommand } from '../../src/classify/own-statement.js';
import { RwsplitError } from '../../src/errors.js';
import type { Health, NodeCommand } from '../../src/topology/health.js';
import type { Node, Snapshot } from '../../src/topology/snapshot.js';
import type { ResultSet } from './result-set.js';

const EVENTS: Readonly<Record<NodeVerb, NodeCommand>> = { drain: 'drain', maintenance: 'maintain', resume: 'resume' };

/**
 * `RWSPLIT DRAIN`, `MAINTENANCE` or `RESUME` of a node: does it, and says what has become of the node.
 * @throws RwsplitError where there is no such node, or it is the primary
 */
export function commandNode(
  { verb, node: name }: OwnCommand,
  snapshot: () => Snapshot,
  command: (node: string, event: NodeCommand) => boolean,
): ResultSet {
  const before = find(snapshot(), name);
  if (verb !== 'resume' && before.role === 'primary') {
    const what =
      `${name} is the primary, and writes have nowhere else to go: make another node the primary ` +
      `(RWSPLIT SWITCHOVER TO 'NODE', or by other means, which the proxy follows), then say RWSPLIT ${verb.toUpperCase()} '${name}' again`;
    throw new RwsplitError('bad-command', what);
  }
  command(name, EVENTS[verb]);
  const after = find(snapshot(), name);
  return {
    columns: [
      { name: 'node', type: 'text' },
      { name: 'was', type: 'text' },
      { name: 'health', type: 'text' },
      { name: 'what', type: 'text' },
    ],
    rows: [[name, before.health, after.health, whatFollows(verb, before.health, after)]],
  };
}

function find({ nodes }: Snapshot, name: string): Node {
  const found = nodes.find(({ address }) => address.name === name);
  if (found !== undefined) return found;
  const known = nodes.map(({ address }) => `'${address.name}'`).join(', ');
  throw new RwsplitError('bad-command', `there is no node '${name}'; there are ${known}`);
}

function whatFollows(verb: NodeVerb, was: Health, { health, why }: Node): string {
  if (verb === 'resume') {
    if (was !== 'draining' && was !== 'maintenance') return 'it was not out of service by command';
    if (health === 'up') return 'it gets reads again, few at first';
    return health === 'unseen' ? 'it gets reads again when it has answered' : `it gets no reads yet: ${why}`;
  }
  if (health === 'draining') return 'no new reads; in maintenance when no connection there is in use any more';
  return 'no reads, and nothing runs there; RWSPLIT RESUME puts it back into service';
}
