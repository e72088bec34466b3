import type { NodeReport, Observation } from './observation.js';
import type { Role } from './snapshot.js';

/** What nodes are for, by their names. */
export interface Roles {
  readonly roles: ReadonlyMap<string, Role>;
  /** Why a node that answers is not used. */
  readonly misfits: ReadonlyMap<string, string>;
  readonly primary: NodeReport | undefined;
  /** Why there is no primary. */
  readonly problem: string | undefined;
}

/** Whom a failover has chosen. */
export interface Appointed {
  readonly serverUuid: string;
  /** It was seen to take writes since. */
  readonly hasServed: boolean;
}

/**
 * Finds out what each node is for, from what all of them say.
 *
 * | writable | replicates | role |
 * |---|---|---|
 * | yes | from nobody; or in a ring whose other members are read-only | candidate for the primary |
 * | yes | else | replica that somebody can write to by mistake: beside a primary it is not used |
 * | no | yes | replica, of whatever depth |
 * | no | no | unknown: an old primary, or not of this cluster |
 *
 * A sole candidate is the primary. Of several, the only one that others replicate from; else nobody is trusted with writes. In a
 * replication group the members themselves say who is what.
 *
 * Where a primary was appointed, nobody else is a candidate, whoever takes writes: unless the appointed one is closed, and replicates
 * from the other by now.
 * @param before the last primary: while it is gone, no server of another cluster is to take its place
 * @param appointed whom a failover has made the primary, or is about to
 */
export function rolesOf(observations: readonly Observation[], before?: NodeReport, appointed?: Appointed): Roles {
  const misfits = new Map<string, string>();
  const reports = distinct(observations, misfits);
  const above = sourcesOf(reports);
  const candidates =
    appointed === undefined
      ? reports.filter((it) => isCandidate(it, above) && mayFollow(it, before))
      : appointedOf(reports, appointed, above);
  const primary = choosePrimary(candidates, reports, above);
  const roles = new Map<string, Role>();
  for (const report of reports) {
    const { name } = report.address;
    const misfit = primary === undefined ? undefined : misfitOf(report, primary, candidates, above);
    if (misfit !== undefined) misfits.set(name, misfit);
    if (report === primary) roles.set(name, 'primary');
    else if (misfit !== undefined) roles.set(name, 'unknown');
    else if (report.source !== undefined || report.group !== 'none' || follows(report, primary ?? before))
      roles.set(name, 'replica');
    else roles.set(name, candidates.includes(report) ? 'primary' : 'unknown');
  }
  return {
    roles,
    misfits,
    primary,
    problem: primary === undefined ? problemOf(observations, candidates) : undefined,
  };
}

/** It does not tell, but takes no writes and has transactions that the primary has, or had. */
function follows({ sourceUntold, readOnly, executed }: NodeReport, primary: NodeReport | undefined): boolean {
  return sourceUntold === true && readOnly && primary !== undefined && executed.sharesSourceWith(primary.executed);
}

function appointedOf(
  reports: readonly NodeReport[],
  { serverUuid, hasServed }: Appointed,
  above: ReadonlyMap<NodeReport, NodeReport>,
): NodeReport[] {
  const report = reports.find((it) => it.serverUuid === serverUuid);
  if (report === undefined) return [];
  if (!report.readOnly) return [report];
  // One that has yet to be opened has not been moved: it still replicates from the one before.
  if (!hasServed) return [];
  const source = above.get(report);
  return source === undefined || source.readOnly ? [] : [source];
}

/** Each server once, however many names it has. */
function distinct(observations: readonly Observation[], misfits: Map<string, string>): NodeReport[] {
  const byUuid = new Map<string, NodeReport>();
  for (const seen of observations) {
    if (seen.kind !== 'answered') continue;
    const known = byUuid.get(seen.serverUuid);
    if (known === undefined) byUuid.set(seen.serverUuid, seen);
    else misfits.set(seen.address.name, `it is the same server as ${known.address.name}`);
  }
  return [...byUuid.values()];
}

/** From which of the others each replicates directly. */
function sourcesOf(reports: readonly NodeReport[]): Map<NodeReport, NodeReport> {
  const sources = new Map<NodeReport, NodeReport>();
  for (const report of reports) {
    const { source } = report;
    if (source === undefined) continue;
    const found = reports.find(({ serverUuid, address: { host, port } }) =>
      source.uuid === '' ? host === source.host && port === source.port : serverUuid === source.uuid,
    );
    if (found !== undefined) sources.set(report, found);
  }
  return sources;
}

function mayFollow(report: NodeReport, before: NodeReport | undefined): boolean {
  if (before === undefined || before.executed.isEmpty || before.serverUuid === report.serverUuid) return true;
  return report.executed.sharesSourceWith(before.executed);
}

function isCandidate(report: NodeReport, above: ReadonlyMap<NodeReport, NodeReport>): boolean {
  if (report.readOnly || report.group === 'secondary' || report.group === 'minority') return false;
  if (report.source === undefined) return true;
  const passed = new Set<NodeReport>();
  for (let at = above.get(report); at !== undefined && !passed.has(at); at = above.get(at)) {
    if (at === report) return true;
    if (!at.readOnly) return false;
    passed.add(at);
  }
  return false;
}

function choosePrimary(
  candidates: readonly NodeReport[],
  reports: readonly NodeReport[],
  above: ReadonlyMap<NodeReport, NodeReport>,
): NodeReport | undefined {
  const [first, second] = candidates;
  if (second === undefined) return first;
  if (candidates.every(isGroupPrimary)) return chooseInGroup(candidates, reports);
  const followed = candidates.filter((it) => reports.some((other) => above.get(other) === it));
  return followed.length === 1 ? followed[0] : undefined;
}

function isGroupPrimary({ group }: NodeReport): boolean {
  return group === 'primary';
}

function knows({ groupPrimaries }: NodeReport, other: NodeReport): boolean {
  return groupPrimaries === undefined || groupPrimaries.includes(other.serverUuid);
}

/**
 * Primaries that know of each other agree on every write: one of them, and always the same one, is as good as any. Else it is the one
 * that most members take for it, for one of the others has been replaced, and does not know yet.
 */
function chooseInGroup(candidates: readonly NodeReport[], reports: readonly NodeReport[]): NodeReport | undefined {
  const votesFor = ({ serverUuid }: NodeReport): number =>
    reports.filter(({ groupPrimaries = [] }) => groupPrimaries.includes(serverUuid)).length;
  const most = Math.max(...candidates.map(votesFor));
  const named = candidates.filter((it) => votesFor(it) === most);
  if (!named.every((it) => named.every((other) => knows(it, other)))) return undefined;
  return named.toSorted((a, b) => (a.serverUuid < b.serverUuid ? -1 : 1))[0];
}

function misfitOf(
  report: NodeReport,
  primary: NodeReport,
  candidates: readonly NodeReport[],
  above: ReadonlyMap<NodeReport, NodeReport>,
): string | undefined {
  if (report === primary) return undefined;
  if (report.group === 'minority') return 'it cannot reach most of its group';
  if (report.group !== 'none' && primary.group !== 'none') return undefined;
  const { name } = primary.address;
  const isRelated =
    report.executed.isEmpty || primary.executed.isEmpty || report.executed.sharesSourceWith(primary.executed);
  if (!isRelated)
    return `it is of another cluster than ${name}: no transaction has ever been on both; name one cluster only`;
  if (!report.readOnly) {
    // What we took for a read, and is none, a read-only server refuses. And whoever else writes there writes to nobody but its readers.
    const isReplica = report.source !== undefined && !candidates.includes(report);
    return isReplica
      ? 'it takes writes although it replicates: make it read-only (SET GLOBAL super_read_only=ON)'
      : `it takes writes as the primary ${name} does, and nobody replicates from it: make it read-only ` +
          '(SET GLOBAL super_read_only=ON), and let it replicate or remove it';
  }
  const passed = new Set<NodeReport>();
  for (let at = above.get(report); at !== undefined && at !== primary && !passed.has(at); at = above.get(at)) {
    if (candidates.includes(at)) return `it replicates from ${at.address.name}, which is not the primary`;
    passed.add(at);
  }
  return undefined;
}

function problemOf(observations: readonly Observation[], candidates: readonly NodeReport[]): string {
  if (candidates.length > 1) {
    const names = candidates.map((node) => node.address.name).join(' and ');
    if (candidates.every(isGroupPrimary)) return `${names} each take themselves for the primary of their group`;
    return `${names} all take writes and replicate from nobody: make all but one read-only (SET GLOBAL super_read_only=ON), or name one cluster only`;
  }
  const cut = observations.filter((it) => it.kind === 'answered' && it.group === 'minority');
  if (cut.length > 0) {
    const names = cut.map((node) => node.address.name).join(' and ');
    return `nothing can be committed: ${names} cannot reach most of the group`;
  }
  const silent = observations.filter((it) => it.kind === 'silent').map((it) => `${it.address.name}: ${it.why}`);
  if (silent.length === observations.length && silent.length > 0) return `no node can be used: ${silent.join('; ')}`;
  if (silent.length > 0) return `no primary among the nodes that answer, and some do not (${silent.join('; ')})`;
  const states = observations
    .map((it) => {
      if (it.kind !== 'answered') return `${it.address.name} has not answered yet`;
      return `${it.address.name} is ${it.readOnly ? 'read-only' : 'writable'}${it.source === undefined ? '' : ' and replicates'}`;
    })
    .join('; ');
  return `no node is writable (${states}): name the primary too, or open one with SET GLOBAL super_read_only=OFF, read_only=OFF`;
}
