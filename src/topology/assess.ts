import { GtidSet } from './gtid-set.js';
import type { Health } from './health.js';
import type { Observation } from './observation.js';
import type { Roles } from './roles.js';
import type { Node, Snapshot } from './snapshot.js';

/** Of a node that has not said what it can do: it takes nothing away from what the others can. */
const ALL_CAPABILITIES = 0xffffffff;

/** A node, as it is known beside what it said itself. */
export interface Assessed {
  readonly observation: Observation;
  readonly health: Health;
  readonly why: string;
  readonly lagMs: number;
  readonly share: number;
}

/** Puts together what is known of all nodes. */
export function assess(nodes: readonly Assessed[], { roles, primary, problem }: Roles, version: number): Snapshot {
  const known = nodes.map((it) => nodeOf(it, roles));
  const readable = (health: Health): Node[] => known.filter((it) => it.role === 'replica' && it.health === health);
  const up = readable('up');
  return {
    version,
    nodes: known,
    primary: known.find(({ address }) => address.name === primary?.address.name),
    // A single failure says little: where nobody else is there, it is tried again.
    replicas: up.length > 0 ? up : readable('suspect'),
    serverVersion: oldestVersion(known),
    capabilities: commonCapabilities(known),
    problem,
  };
}

function nodeOf({ observation, ...known }: Assessed, roles: Roles['roles']): Node {
  const { address } = observation;
  if (observation.kind !== 'answered') {
    return {
      address,
      role: 'unknown',
      ...known,
      serverUuid: '',
      serverVersion: '',
      capabilities: ALL_CAPABILITIES,
      executed: GtidSet.EMPTY,
      askedAtMs: 0,
    };
  }
  const { serverUuid, serverVersion, capabilities, executed, committed, askedAtMs } = observation;
  const role = roles.get(address.name) ?? 'unknown';
  return { address, role, ...known, serverUuid, serverVersion, capabilities, executed, committed, askedAtMs };
}

function oldestVersion(nodes: readonly Node[]): string {
  const versions = nodes.map((node) => node.serverVersion).filter((version) => version !== '');
  return versions.reduce((oldest, it) => (compareVersions(it, oldest) < 0 ? it : oldest), versions[0] ?? '');
}

/** By their numbers: `8.0.9` is older than `8.0.36-0ubuntu1`. */
function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((version) => /^[\d.]*/.exec(version)?.[0].split('.').map(Number) ?? []);
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function commonCapabilities(nodes: readonly Node[]): number {
  return nodes.reduce((common, node) => (common & node.capabilities) >>> 0, ALL_CAPABILITIES);
}

function essence(snapshot: Snapshot): string {
  return JSON.stringify([
    snapshot.nodes.map((node) => [node.address.name, node.role, node.health, node.serverUuid, node.serverVersion]),
    snapshot.primary?.address.name,
    snapshot.problem,
  ]);
}

/** Whether two snapshots say the same of what nodes are for, and of how well they can serve. */
export function sameTopology(left: Snapshot, right: Snapshot): boolean {
  return essence(left) === essence(right);
}
