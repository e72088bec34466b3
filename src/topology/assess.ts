import { GtidSet } from './gtid-set.js';
import type { Node, NodeAddress, Role, Snapshot } from './snapshot.js';

/** What one node said of itself, or why it said nothing. */
export type Observation =
  | {
      readonly kind: 'answered';
      readonly address: NodeAddress;
      readonly serverUuid: string;
      readonly serverVersion: string;
      /** What its greeting offers. */
      readonly capabilities: number;
      /** read_only or super_read_only is on. */
      readonly readOnly: boolean;
      /** It has a source to replicate from. */
      readonly hasSource: boolean;
      /** What it receives is applied. */
      readonly applies: boolean;
      readonly executed: GtidSet;
      /** When it was asked. */
      readonly askedAtMs: number;
    }
  | { readonly kind: 'silent'; readonly address: NodeAddress; readonly why: string }
  /** Not asked yet. */
  | { readonly kind: 'unseen'; readonly address: NodeAddress };

/** Of a node that has not said what it can do: it takes nothing away from what the others can. */
const ALL_CAPABILITIES = 0xffffffff;

type Answered = Extract<Observation, { kind: 'answered' }>;

/**
 * Finds out what each node is for: the primary is the one that is writable and replicates from nobody.
 *
 * | writable | has a source | role |
 * |---|---|---|
 * | yes | no | primary: just one may be so |
 * | yes | yes | replica that somebody can write to by mistake; it gets reads |
 * | no | yes | replica; it gets reads while it applies what it receives |
 * | no | no | unknown: an old primary, or not of this cluster |
 */
export function assess(observations: readonly Observation[], version: number): Snapshot {
  const nodes = observations.map(nodeOf);
  const primaries = nodes.filter((node) => node.role === 'primary');
  const primary = primaries.length === 1 ? primaries[0] : undefined;
  const applying = new Set(
    observations.filter((it) => it.kind === 'answered' && it.applies).map((it) => it.address.name),
  );
  return {
    version,
    nodes,
    primary,
    replicas: nodes.filter((node) => node.role === 'replica' && applying.has(node.address.name)),
    serverVersion: oldestVersion(nodes),
    capabilities: commonCapabilities(nodes),
    problem: primary === undefined ? problemOf(observations, primaries) : undefined,
  };
}

function roleOf(seen: Answered): Role {
  if (seen.hasSource) return 'replica';
  return seen.readOnly ? 'unknown' : 'primary';
}

function nodeOf(seen: Observation): Node {
  const { address } = seen;
  if (seen.kind !== 'answered') {
    return {
      address,
      role: 'unknown',
      serverUuid: '',
      serverVersion: '',
      capabilities: ALL_CAPABILITIES,
      executed: GtidSet.EMPTY,
      askedAtMs: 0,
    };
  }
  const { serverUuid, serverVersion, capabilities, executed, askedAtMs } = seen;
  return { address, role: roleOf(seen), serverUuid, serverVersion, capabilities, executed, askedAtMs };
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

function problemOf(observations: readonly Observation[], primaries: readonly Node[]): string {
  if (primaries.length > 1) {
    const names = primaries.map((node) => node.address.name).join(' and ');
    return `${names} all take writes and replicate from nobody: make all but one read-only (SET GLOBAL super_read_only=ON), or name one cluster only`;
  }
  const silent = observations.filter((it) => it.kind === 'silent').map((it) => `${it.address.name}: ${it.why}`);
  if (silent.length > 0) return `no primary among the nodes that answer, and some do not (${silent.join('; ')})`;
  const states = observations
    .map((it) => {
      if (it.kind !== 'answered') return `${it.address.name} has not answered yet`;
      return `${it.address.name} is ${it.readOnly ? 'read-only' : 'writable'}${it.hasSource ? ' and replicates' : ''}`;
    })
    .join('; ');
  return `no node is writable (${states}): name the primary too, or open one with SET GLOBAL super_read_only=OFF, read_only=OFF`;
}

function essence(snapshot: Snapshot): string {
  return JSON.stringify([
    snapshot.nodes.map((node) => [
      node.address.name,
      node.role,
      node.serverUuid,
      node.serverVersion,
      node.capabilities,
    ]),
    snapshot.primary?.address.name,
    snapshot.replicas.map((node) => node.address.name),
    snapshot.problem,
  ]);
}

/** Whether two snapshots say the same, whatever their versions. */
export function sameTopology(left: Snapshot, right: Snapshot): boolean {
  return essence(left) === essence(right);
}
