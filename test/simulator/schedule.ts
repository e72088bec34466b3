import { pick, randomFrom } from '../random.js';
import { SimCoordinator } from './coordinator.js';
import { Faults } from './faults.js';
import { nodeName } from './look.js';
import { REAL, type UnderTest } from './under-test.js';
import { SimWorld } from './world.js';

export interface ScheduleResult {
  readonly seed: number;
  /** What must not have happened, and did. */
  readonly violations: readonly string[];
  /** How it ended: clients write, or why they do not. */
  readonly end: 'writable' | 'reasoned' | 'stalled';
  readonly reason: string;
  readonly events: number;
  readonly acknowledged: number;
  readonly counts: SimCoordinator['counts'];
  readonly trace: readonly string[];
}

const FAULTS_MS = 4_500;
/** So long all is well, but for servers that are gone, before it has to have come to an end. */
const SETTLE_MS = 25_000;
const MAX_EVENTS = 200_000;

/** One history of one cluster, from a seed. */
export function runSchedule(seed: number, code: UnderTest = REAL, trace = false): ScheduleResult {
  const random = randomFrom(seed);
  const servers = 2 + random.below(4);
  const isLossless = random.below(5) > 0;
  const world = new SimWorld(
    random,
    { servers, coordinators: 1 + random.below(3) },
    isLossless,
    code.environment,
    trace,
  );
  setUp(world, isLossless);
  const policy = isLossless ? 'lossless' : 'availability';
  const coordinators: SimCoordinator[] = [];
  for (let id = servers; id < world.storeId; id++) coordinators.push(new SimCoordinator(world, id, policy, code));
  for (const it of coordinators) it.start(0);
  const faults = new Faults(world, coordinators, 1 + random.below(4));
  faults.scheduleSome(2_500);
  clients(world, coordinators);
  if (random.below(2) === 0) plan(world, coordinators);
  world.clock.after(FAULTS_MS, () => faults.end());
  let events = 0;
  let quietSinceMs: number | undefined;
  let end: ScheduleResult['end'] | undefined;
  while (end === undefined && world.violations.length === 0 && events < MAX_EVENTS && world.clock.next()) {
    events++;
    world.check();
    if (!faults.areOver) continue;
    quietSinceMs ??= world.clock.nowMs;
    const { atMs, server } = world.lastAcknowledged;
    const isWritten = atMs > quietSinceMs + 500 && coordinators.some((it) => it.leads && it.primary === server);
    if (isWritten && coordinators.every((it) => !it.isBusy && !it.holds && it.primary === server)) end = 'writable';
    else if (world.clock.nowMs > quietSinceMs + SETTLE_MS) {
      end = isExcused(world, faults, reasonOf(coordinators)) ? 'reasoned' : 'stalled';
    }
  }
  const last = world.servers[world.lastAcknowledged.server];
  if (end === 'writable' && last !== undefined) world.mustHaveAcknowledged(last);
  const reason = end === 'writable' ? '' : reasonOf(coordinators);
  if (end === 'stalled' || end === undefined || (end === 'reasoned' && reason === '')) {
    world.violated(`clients cannot write, though nothing is wrong any more${reason && `: ${reason}`}`);
  }
  const counts = { failovers: 0, switchovers: 0, givenUp: 0, stuck: 0, deposed: 0 };
  for (const it of coordinators) {
    for (const key of ['failovers', 'switchovers', 'givenUp', 'stuck', 'deposed'] as const)
      counts[key] += it.counts[key];
  }
  return {
    seed,
    violations: world.violations,
    end: end ?? 'stalled',
    reason,
    events,
    acknowledged: world.acknowledgedCount,
    counts,
    trace: world.trace ?? [],
  };
}

function reasonOf(coordinators: readonly SimCoordinator[]): string {
  const leader = coordinators.find((it) => it.leads);
  if (leader === undefined) return 'nobody leads';
  return leader.differing > 0 ? `${leader.reason}; ${DIFFERS}` : leader.reason;
}

/** It is for a human to say what becomes of them. */
const DIFFERS = 'nodes with transactions of their own acknowledge nothing';

/** These say that something has yet to be found out. */
const NO_REASONS = /^(?:$|suspect: (?!no primary)|refuses-here|nobody leads)/;

/**
 * Where a server never comes back there may be nobody to write to, if it is said why. Nor can a proxy that starts know a primary that nothing was
 * written down of, and that is closed.
 */
function isExcused({ journals }: SimWorld, { gone }: Faults, reason: string): boolean {
  return (gone.size > 0 && !NO_REASONS.test(reason)) || journals.size === 0 || reason.endsWith(DIFFERS);
}

function setUp(world: SimWorld, isLossless: boolean): void {
  const { random, servers } = world;
  const acknowledgements = servers.length > 3 && random.below(3) === 0 ? 2 : 1;
  const isSemiSync = isLossless || random.below(2) === 0;
  for (const it of servers) {
    world.applyMs.push(pick(random, [5, 20, 100, 500]));
    it.preference = pick(random, ['neutral', 'neutral', 'neutral', 'prefer', 'prefer-not', 'must-not']);
    if (it.id === 0) {
      it.readOnly = false;
      it.semiSource = isSemiSync;
      it.semiCount = acknowledgements;
      continue;
    }
    // Enough of them have to acknowledge.
    it.hasSemiSync = isSemiSync && (it.id <= acknowledgements + 1 || random.below(6) > 0);
    it.semiReplica = it.hasSemiSync;
    it.applies = true;
    it.follow(0);
    it.startReceiver();
    if (it.id > 1 && random.below(12) === 0) world.clock.after(400, () => it.up && it.write(undefined));
    if (it.id > 1 && random.below(12) === 0) breakLater(world, it.id);
  }
}

function breakLater(world: SimWorld, server: number): void {
  world.clock.after(world.random.below(3_000), () => {
    const it = world.servers[server];
    if (it === undefined || it.source === undefined) return;
    world.note(() => `! db${server + 1} cannot apply any more`);
    it.applies = false;
    it.applierError = 'duplicate entry';
  });
}

/** Through every proxy, and past them. */
function clients(world: SimWorld, coordinators: readonly SimCoordinator[]): void {
  const { random, clock, servers } = world;
  for (const it of coordinators) {
    const write = (): void => {
      const primary = it.primary === undefined ? undefined : servers[it.primary];
      if (primary !== undefined && it.up && !it.holds) world.write(primary, it.id);
      clock.after(100 + random.below(300), write);
    };
    clock.after(random.below(200), write);
  }
  const writePast = (): void => {
    world.write(pick(random, servers), undefined);
    clock.after(200 + random.below(600), writePast);
  };
  clock.after(random.below(300), writePast);
}

function plan(world: SimWorld, coordinators: readonly SimCoordinator[]): void {
  const { random, clock } = world;
  clock.after(800 + random.below(2_500), () => {
    const to = nodeName(random.below(world.servers.length));
    for (const it of coordinators) if (it.leads) it.switchOver(to);
  });
}
