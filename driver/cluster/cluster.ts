import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { PoolOptions } from 'mysql2';
import type { Classification } from '../../src/classify/classification.js';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { DEFAULTS } from '../../src/defaults.js';
import { chooseReplica, type ChosenReplica, type ReplicaChoices } from '../../src/routing/choose-replica.js';
import type { Diversion } from '../../src/routing/route.js';
import { Rules } from '../../src/routing/rules.js';
import type { FailoverStatus } from '../../src/runtime/failover/supervised-cluster.js';
import type { Supervisor } from '../../src/runtime/failover/supervisor.js';
import { Monitor } from '../../src/runtime/monitor.js';
import { PrimaryReads } from '../../src/runtime/primary-reads.js';
import { mayChangeRoutines, StoredRoutines } from '../../src/runtime/stored-routines.js';
import { WriteHold } from '../../src/runtime/write-hold.js';
import { KnownPositions } from '../../src/session/known-positions.js';
import { Session } from '../../src/session/session.js';
import type { Untold } from '../../src/session/untold-commits.js';
import { ReadBalance } from '../../src/topology/read-balance.js';
import type { Node, NodeAddress, Snapshot } from '../../src/topology/snapshot.js';
import { connectionGivenUp, noPrimary } from '../errors.js';
import { core, type CoreConnection, type PoolSettings, type QueryError } from '../mysql2/internals.js';
import type { Comforts, Split, Wanted } from '../options.js';
import { NodePool } from '../pool/node-pool.js';
import { settingsAt, settingsOf } from '../pool/pool-settings.js';
import { StatementTexts } from '../route/statement-texts.js';
import { RoutedConnection } from '../session/routed-connection.js';
import { ServerSession, type SessionHost } from '../session/server-session.js';
import { forwardEvents } from './forward-events.js';
import { PoolLogin } from './pool-login.js';
import { ProbeInterval } from './probe-interval.js';
import { openPromoter } from './promoter.js';
import { RouteCounts } from './route-counts.js';
import { type Scope, Scopes } from './scopes.js';

/** How often it is looked whether all has come to an end on the primary. */
const HOLD_LOOK_MS = 2;
/** A driver has no log. */
const SILENT = { debug: (): void => {}, info: (): void => {} };

/** Reads because somebody says so: they may call a function that writes. */
const DOUBTED: ReadonlySet<string> = new Set(['hint-replica', 'hint-node', 'rule']);

const POOL_EVENTS = ['connection', 'acquire', 'enqueue', 'release'] as const;

/** What a primary has become. */
export interface Failover {
  readonly from: string | undefined;
  readonly to: string;
}

/**
 * The servers of a pool: what is known of them, and a pool of mysql2 for each. Nothing is connected to before the first statement.
 *
 * Tells of `connection acquire enqueue release` as mysql2's pools do, of `topology` and `failover`.
 */
export class Cluster extends EventEmitter implements SessionHost {
  readonly settings: PoolSettings;
  readonly split: Split;
  readonly scopes: Scopes;
  readonly texts: StatementTexts;
  readonly positions = new KnownPositions();
  readonly balance: ReadBalance;
  readonly counts = new RouteCounts();
  readonly writes: WriteHold;
  readonly #driver: PoolOptions;
  readonly primaryReads: PrimaryReads;
  readonly #comforts: Comforts;
  readonly #monitor: Monitor;
  readonly #routines: StoredRoutines;
  #watchesRoutines = false;
  readonly #interval: ProbeInterval;
  readonly #pools = new Map<string, NodePool>();
  readonly #choices: ReplicaChoices;
  baseline: ReadonlyMap<string, string> = new Map();
  #fresh: Session | undefined;
  #isReady = false;
  #isEnded = false;
  #isUntold = false;
  #isAsking = false;
  #hurrying: Promise<void> | undefined;
  #mayLookAtMs = 0;
  #lastPrimary: string | undefined;
  #waiting: (() => void)[] | undefined;
  #promoter: Supervisor | undefined;

  constructor(wanted: Wanted, split: Split) {
    super();
    this.setMaxListeners(0);
    this.#driver = wanted.driver;
    this.#comforts = wanted.comforts;
    this.split = split;
    this.settings = settingsOf({ ...wanted.driver });
    this.scopes = new Scopes(split.consistency);
    const formatter: Pick<CoreConnection, 'format'> = Object.create(core.Connection.prototype, {
      config: { value: this.settings.connectionConfig },
    });
    const login = new PoolLogin(wanted.driver, split.monitor, (variables) => {
      this.baseline = variables;
      this.#fresh = undefined;
    });
    this.#routines = new StoredRoutines(
      login,
      () => this.snapshot.primary,
      () => this.texts.clear(),
      SILENT,
    );
    this.texts = new StatementTexts(
      (sql, values, named) => formatter.format(sql, values ?? [], named),
      wanted.driver.queryFormat === undefined,
      {
        user: this.settings.connectionConfig.user ?? '',
        rules: new Rules(split.rules),
        routines: this.#routines.known,
        onCall: () => this.#watchRoutines(),
      },
    );
    this.primaryReads = primaryReadsOf(this.settings, split, wanted.comforts, () => this.snapshot);
    this.balance = new ReadBalance(split.balance, () => performance.now());
    this.#interval = new ProbeInterval(split.intervalMs);
    this.#monitor = new Monitor(
      {
        nodes: split.nodes,
        discovery: split.discovery,
        maxLagMs: split.maxLagMs,
        intervalMs: (hasPrimary) => this.#interval.next(hasPrimary),
        drain: () => 0,
      },
      login,
      (snapshot, before) => this.#changed(snapshot, before),
    );
    const snapshot = (): Snapshot => this.#monitor.snapshot;
    this.writes = new WriteHold(split.hold, snapshot);
    this.#choices = {
      get snapshot(): Snapshot {
        return snapshot();
      },
      positions: this.positions,
      nextReplica: (wish) => this.balance.next(snapshot(), wish),
    };
  }

  get snapshot(): Snapshot {
    return this.#monitor.snapshot;
  }

  get serverVersion(): string {
    return this.snapshot.serverVersion;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** A session as a connection's is that has just been made. */
  get freshSession(): Session {
    this.#fresh ??= new Session(this.settings.connectionConfig.database ?? '', this.baseline, this.serverVersion);
    return this.#fresh;
  }

  /** A statement comes. @returns whether it has nothing to wait for */
  comes(): boolean {
    this.#interval.isUsed = true;
    return this.#isReady && !this.#isEnded;
  }

  /** @param then called at once when the servers are known, else after the first look at them */
  whenKnown(then: () => void): void {
    this.#interval.isUsed = true;
    if (this.#isReady) {
      then();
      return;
    }
    if (this.#waiting !== undefined) {
      this.#waiting.push(then);
      return;
    }
    const waiting = [then];
    this.#waiting = waiting;
    void this.#start().then(() => {
      this.#isReady = true;
      this.#fresh = undefined;
      for (const go of waiting) go();
    });
  }

  /** No server has ever answered. */
  get isUnseen(): boolean {
    return this.snapshot.nodes.every(({ serverUuid }) => serverUuid === '');
  }

  /** Of who promotes in this process; undefined where nobody does. */
  get failoverStatus(): FailoverStatus | undefined {
    return this.#promoter?.status;
  }

  /** @throws where this process may not promote, or it came to nothing */
  async switchOver(to: string): Promise<void> {
    const end = await this.#promoter?.switchOver(to, false);
    if (end === undefined) throw new Error("this process promotes nobody: its pool's coordinator is 'follow'");
    if (end.kind === 'failed') throw new Error(end.why);
  }

  /** @returns `primary` where it is its turn, or why it is to answer */
  choose(known: KnownStatement, scope: Scope, failed: ReadonlySet<string>): ChosenReplica | 'primary' | Diversion {
    const { freshness } = scope;
    const { classification } = known;
    const level = classification.consistency ?? freshness.level;
    const { node, maxLagMs } = classification;
    return chooseReplica(this.#choices, { node, level, maxLagMs, freshness, failed });
  }

  /** A statement ended that was not on a replica: later reads of the scope may have to be no older than what it saw. */
  ranOnPrimary({ name }: NodeAddress, { classification }: KnownStatement, scope: Scope, reason: string): void {
    const { freshness } = scope;
    // It was taken for a read, and its answer tells of no write.
    if (classification.target === 'replica' && (DOUBTED.has(classification.reason) || reason === 'replica-refused')) {
      this.wroteUntold(scope, 'all');
    }
    const { primary, nodes } = this.snapshot;
    const node = primary?.address.name === name ? primary : nodes.find(({ address }) => address.name === name);
    if (node === undefined) return;
    const level = classification.consistency ?? freshness.level;
    freshness.readEnded(this.positions.of(node), level, true, Date.now());
  }

  poolOf({ address }: Node): NodePool {
    const known = this.#pools.get(address.name);
    if (known !== undefined) return known;
    const { host, port } = address;
    const pool = new NodePool(settingsAt(this.settings, host, port), this.#comforts);
    pool.on('connection', (connection: CoreConnection) => {
      const schema = connection.config.database ?? '';
      RoutedConnection.adopt(connection, new ServerSession(address, schema, this));
    });
    forwardEvents(pool, this, POOL_EVENTS);
    this.#pools.set(address.name, pool);
    return pool;
  }

  poolNamed(node: string): NodePool | undefined {
    return this.#pools.get(node);
  }

  /** A connection to the node failed, or could not be made. */
  failed(node: string, { message }: QueryError): void {
    this.#monitor.connectionFailed(node, message);
    this.#promoter?.connectionFailed(node);
  }

  /** Looks at all nodes now, or as soon as that is not too soon after the last time, however many statements ask for it. */
  async hurry(): Promise<void> {
    this.#hurrying ??= this.#look();
    return this.#hurrying;
  }

  async askPrimary(): Promise<Node | undefined> {
    return this.#monitor.askPrimary();
  }

  sends(classification: Classification, sql: string): void {
    if (this.#routines.known.size > 0 && mayChangeRoutines(classification, () => sql)) this.#routines.forget();
  }

  wroteUntold(scope: Scope, untold: Untold): void {
    this.scopes.wroteUntold(scope, untold);
    this.#isUntold = true;
    if (!this.#isAsking) void this.#askWhileUntold();
  }

  /** @param tell gets what a pool of mysql2 would say where no server lets us in, else that there is no primary */
  whyNoPrimary(sql: string, tell: (error: QueryError) => void): void {
    const { nodes, problem } = this.snapshot;
    const [first] = nodes;
    if (first === undefined || !this.isUnseen) {
      tell(noPrimary(problem, sql));
      return;
    }
    this.poolOf(first).getConnection((error, connection) => {
      connection?.release();
      tell(error ?? noPrimary(problem, sql));
    });
  }

  /** Connections of each node's pool. */
  *pools(): IterableIterator<[node: string, pool: NodePool]> {
    yield* this.#pools;
  }

  end(done: (error?: QueryError | null) => void): void {
    this.#isEnded = true;
    this.writes.stop();
    void this.#promoter?.stop();
    this.#monitor.stop();
    this.#routines.stop();
    const pools = [...this.#pools.values()];
    let left = pools.length;
    let failure: QueryError | null | undefined;
    const ended = (error?: QueryError | null): void => {
      failure ??= error;
      left--;
      if (left <= 0) done(failure);
    };
    if (left === 0) done();
    for (const pool of pools) pool.end(ended);
  }

  async #start(): Promise<void> {
    await this.#monitor.start();
    const promoter = await openPromoter(
      this.#driver,
      this.split,
      {
        snapshot: () => this.snapshot,
        appoint: async (serverUuid, left) => this.#appoint(serverUuid, left),
        opened: (serverUuid, gtids) => this.scopes.promoted(serverUuid, gtids),
        leftAlone: () => new Set(),
        hold: async (node, waitMs) => this.#holdWrites(node, waitMs),
        release: () => this.writes.open(),
      },
      (entry) => this.emit('log', entry),
    );
    if (this.#isEnded) return;
    this.#promoter = promoter;
    promoter?.topologyChanged(this.snapshot);
    await promoter?.start();
  }

  /** @param left the old primary: nobody waits any more for what it does not answer */
  async #appoint(serverUuid: string, left: string | undefined): Promise<void> {
    await this.#monitor.appoint(serverUuid);
    this.writes.look();
    if (left !== undefined && left !== this.snapshot.primary?.address.name) this.#giveUp(left, false);
  }

  /** Nothing new begins on the primary. @returns how many statements have not come to an end there in time */
  async #holdWrites(node: string, waitMs: number): Promise<number> {
    this.writes.close();
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const running = this.#runningAt(node);
      if (running === 0 || performance.now() >= untilMs) return running;
      await delay(HOLD_LOOK_MS);
    }
  }

  #runningAt(node: string): number {
    const connections = [...(this.#pools.get(node)?.connections() ?? [])];
    return connections.filter((it) => it instanceof RoutedConnection && it.server.isAtWork).length;
  }

  /** Most applications call none: whoever does has them looked at from then on. */
  #watchRoutines(): void {
    if (this.#watchesRoutines || this.#isEnded) return;
    this.#watchesRoutines = true;
    void this.#routines.start();
  }

  async #look(): Promise<void> {
    const waitMs = this.#mayLookAtMs - performance.now();
    if (waitMs > 0) await delay(waitMs);
    if (!this.#isEnded) await this.#monitor.hurry();
    this.#mayLookAtMs = performance.now() + DEFAULTS.driverUrgentIntervalMs;
    this.#hurrying = undefined;
  }

  /** Until then only the primary answers reads: its turn to be looked at would be late. */
  async #askWhileUntold(): Promise<void> {
    this.#isAsking = true;
    while (this.#isUntold && !this.#isEnded) {
      this.#isUntold = false;
      // What counts is a look that began later, and times have milliseconds.
      await delay(1);
      if ((await this.#monitor.askPrimary()) !== undefined) continue;
      this.#isUntold = true;
      await delay(DEFAULTS.driverUrgentIntervalMs);
    }
    this.#isAsking = false;
  }

  #changed(snapshot: Snapshot, before: Snapshot): void {
    const to = snapshot.primary?.address.name;
    const from = before.primary?.address.name ?? this.#lastPrimary;
    const hasMoved = from !== undefined && to !== undefined && from !== to;
    if (hasMoved) this.#retire(from);
    if (to !== undefined) this.#lastPrimary = to;
    for (const { address, health } of snapshot.nodes) {
      const { name } = address;
      const was = before.nodes.find((it) => it.address.name === name)?.health;
      if (health !== 'down' || (was === 'down' && !(hasMoved && name === from))) continue;
      this.#retire(name);
      // What runs on a primary may have been executed: as long as there is no other one, it is waited for.
      this.#giveUp(name, name === (to ?? this.#lastPrimary));
    }
    this.writes.look();
    this.#promoter?.topologyChanged(snapshot);
    if (hasMoved) this.emit('failover', { from, to } satisfies Failover);
    this.emit('topology', snapshot);
  }

  #giveUp(node: string, onlyWaiting: boolean): void {
    const why = onlyWaiting ? 'the server does not answer' : 'the server does not answer, and is not the primary';
    this.#pools.get(node)?.giveUp(() => connectionGivenUp(node, why), onlyWaiting);
  }

  /** Nobody is to go on where the node is no more what it was: its pool is emptied. */
  #retire(node: string): void {
    const pool = this.#pools.get(node);
    if (pool === undefined) return;
    for (const connection of pool.connections()) {
      if (!(connection instanceof RoutedConnection)) continue;
      connection.server.isRetired = true;
      if (pool.isFree(connection)) connection.destroy();
    }
  }
}

/** Half of the connections to the primary are left for writes, where it is not all there is. */
function primaryReadsOf(
  { connectionLimit, queueLimit }: PoolSettings,
  { primaryReadsMax }: Split,
  { acquireTimeout }: Comforts,
  snapshot: () => Snapshot,
): PrimaryReads {
  const half = connectionLimit > 0 ? Math.ceil(connectionLimit / 2) : DEFAULTS.primaryReads;
  return new PrimaryReads({
    max: primaryReadsMax,
    maxBesideOthers: half,
    queueMax: queueLimit > 0 ? queueLimit : Infinity,
    timeoutMs: acquireTimeout,
    snapshot,
  });
}
