import type { Socket } from 'node:net';
import { DigestTable } from '../src/classify/digest-table.js';
import { StatementCache } from '../src/classify/statement-cache.js';
import { DEFAULTS } from '../src/defaults.js';
import { errPacketOf, RwsplitError } from '../src/errors.js';
import { framePackets } from '../src/protocol/framing.js';
import { encodeErr, type ErrPacket } from '../src/protocol/packets/err.js';
import { endSocket } from '../src/runtime/end-socket.js';
import type { Log } from '../src/runtime/log.js';
import { Monitor } from '../src/runtime/monitor.js';
import { PrimaryReads } from '../src/runtime/primary-reads.js';
import { mayChangeRoutines, StoredRoutines } from '../src/runtime/stored-routines.js';
import { CACHING_SHA2 } from '../src/protocol/auth/caching-sha2.js';
import { openSupervisor } from '../src/runtime/failover/open-supervisor.js';
import { MonitorLogin } from '../src/runtime/monitor-login.js';
import type { Route } from '../src/routing/route.js';
import { Rules } from '../src/routing/rules.js';
import { ReadBalance } from '../src/topology/read-balance.js';
import { Commits } from '../src/session/commits.js';
import { WriteHold } from '../src/runtime/write-hold.js';
import { KnownPositions } from '../src/session/known-positions.js';
import { WaitCounts } from '../src/session/wait-counts.js';
import type { Snapshot } from '../src/topology/snapshot.js';
import { Admin } from './admin/admin.js';
import { Backends } from './backends.js';
import { tellWhatIsMissing } from './check-cluster.js';
import { ClientConnection, type ClientTimes, type Intake, type ProxyContext } from './client-connection.js';
import { ClientRegistry } from './client-registry.js';
import { textOf, type CommandRun } from './command-run.js';
import { ClientLimits, type Admission } from './listen/limits.js';
import { isUnixSocket, Listeners, type ListenAddress } from './listen/listeners.js';
import { Networks, plainAddress } from './listen/networks.js';
import { packageVersion } from './package-version.js';
import type { Supervisor } from '../src/runtime/failover/supervisor.js';
import type { ServerTls } from '../src/runtime/tls/server-tls.js';
import type { ProxyOptions } from './options.js';
import type { ClientTls } from './tls/client-tls.js';
import { openClientTls, openPasswordKey, openServerTls } from './tls/open-tls.js';
import { replaySettings, type ReplaySettings } from './replay/replay-settings.js';
import type { ReplayOutcome } from './replay/replaying.js';
import { Users } from './users.js';

/** The proxy: listens for clients, looks at the nodes, and takes each statement where it belongs. */
export class Proxy {
  readonly #options: ProxyOptions;
  readonly #log: Log;
  readonly #clients = new Set<ClientConnection>();
  readonly #registry = new ClientRegistry<ClientConnection>();
  readonly #monitor: Monitor;
  readonly #backends: Backends;
  readonly #balance: ReadBalance;
  readonly #primaryReads: PrimaryReads;
  /** Statements by node, then by reason. */
  readonly #counts = new Map<string, Map<string, { target: string; statements: number }>>();
  readonly #digests = new DigestTable(DEFAULTS.digests);
  readonly #routines: StoredRoutines;
  readonly #users: Users;
  readonly #committed = new Commits();
  readonly #waits = new WaitCounts();
  readonly #writes: WriteHold;
  readonly #replay: ReplaySettings | undefined;
  readonly #supervisor: Supervisor | undefined;
  readonly #serverTls: ServerTls;
  readonly #limits: ClientLimits;
  readonly #proxies: Networks;
  readonly #intake: Intake;
  readonly #times: ClientTimes;
  #clientTls: ClientTls | undefined;
  #listeners: Listeners | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #statements: StatementCache | undefined;
  #stopping = false;

  constructor(options: ProxyOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    const { servers = {}, limits = {}, clients = {} } = options;
    this.#users = new Users(options.users ?? []);
    this.#serverTls = openServerTls(servers.tls, log);
    this.#limits = new ClientLimits({ ...limits, connections: limits.connections ?? DEFAULTS.maxClients });
    this.#proxies = new Networks(clients.proxyProtocol ?? []);
    this.#intake = { maxMessageBytes: limits.packetBytes ?? DEFAULTS.maxMessageBytes, bufferedBytes: 0 };
    this.#times = {
      loginTimeoutMs: limits.loginTimeoutMs ?? DEFAULTS.clientLoginTimeoutMs,
      idleTimeoutMs: limits.idleTimeoutMs,
      nowMs: Date.now(),
    };
    const { policy = 'round-robin', primaryShare = 0, zone, primaryReadsMax } = options.balance ?? {};
    this.#balance = new ReadBalance({ policy, primaryShare, zone }, () => performance.now());
    const { queueMax = DEFAULTS.poolQueueMax, acquireTimeoutMs = DEFAULTS.poolAcquireTimeoutMs } = options.pool ?? {};
    this.#primaryReads = new PrimaryReads({
      max: primaryReadsMax,
      maxBesideOthers: DEFAULTS.primaryReads,
      queueMax,
      timeoutMs: acquireTimeoutMs,
      snapshot: () => this.#monitor.snapshot,
    });
    const login = new MonitorLogin(options.monitor, this.#serverTls);
    const monitored = {
      nodes: options.nodes,
      discovery: options.discovery ?? true,
      maxLagMs: options.maxLagMs ?? DEFAULTS.maxLagMs,
      intervalMs: options.monitorIntervalMs ?? DEFAULTS.probeIntervalMs,
      drain: (node: string) => this.#backends.drain(node),
    };
    this.#monitor = new Monitor(monitored, login, (snapshot, before) => this.#topologyChanged(snapshot, before));
    this.#writes = new WriteHold(
      {
        timeoutMs: options.hold?.timeoutMs ?? DEFAULTS.holdTimeoutMs,
        max: options.hold?.max ?? DEFAULTS.holdMax,
        bytes: options.hold?.bytes ?? DEFAULTS.holdBytes,
      },
      () => this.#monitor.snapshot,
    );
    const { coordinator, failover = {}, nodes } = options;
    const account = failover.account ?? options.monitor;
    this.#replay = replaySettings(options.replay);
    this.#supervisor = openSupervisor(
      { coordinator, failover, account, login: new MonitorLogin(account, this.#serverTls), nodes },
      {
        snapshot: () => this.#monitor.snapshot,
        appoint: async (serverUuid, left) => this.#appoint(serverUuid, left),
        opened: (serverUuid, gtids) => this.#committed.promoted(serverUuid, gtids),
        leftAlone: () => nodesByCommand(this.#monitor.snapshot),
        hold: async (node, waitMs) => this.#holdWrites(node, waitMs),
        release: () => this.#writes.open(),
      },
      log,
    );
    this.#routines = new StoredRoutines(
      login,
      () => this.#monitor.snapshot.primary,
      () => this.#statements?.clear(),
      log,
    );
    this.#backends = new Backends(
      () => this.#monitor.snapshot,
      (node, why) => this.#connectionFailed(node, why),
      {
        min: options.pool?.min ?? 0,
        max: options.poolMax,
        queueMax,
        acquireTimeoutMs,
        idleMs: options.pool?.idleMs ?? DEFAULTS.poolIdleMs,
        maxLifetimeMs: options.pool?.maxLifetimeMs ?? DEFAULTS.poolMaxLifetimeMs,
      },
      {
        tls: this.#serverTls,
        compression: servers.compression ?? [],
        attributes: servers.attributes ?? 'program',
      },
      this.#users,
      packageVersion(),
    );
  }

  get snapshot(): Snapshot {
    return this.#monitor.snapshot;
  }

  /** @returns the addresses on which clients are served. @throws Error with one clear sentence when it cannot serve */
  async start(): Promise<readonly ListenAddress[]> {
    const { clients = {}, dataDirectory } = this.#options;
    await this.#supervisor?.prepare();
    const rsaKey = await openPasswordKey(dataDirectory);
    this.#clientTls = await openClientTls(clients.tls, dataDirectory, this.#log);
    await this.#monitor.start();
    await this.#supervisor?.start();
    if (this.#supervisor !== undefined) this.#tellWhatIsMissing();
    // Without a primary, reads are served all the same; without a single node nothing is.
    if (this.snapshot.problem !== undefined && this.snapshot.replicas.length === 0) {
      await this.stop();
      throw new Error(this.snapshot.problem);
    }
    const statements = new StatementCache({
      maxBytes: DEFAULTS.statementCacheBytes,
      maxStatementBytes: DEFAULTS.statementCacheEntryBytes,
      digests: this.#digests,
      routines: this.#routines.known,
    });
    this.#statements = statements;
    await this.#routines.start();
    const context: ProxyContext = {
      cluster: {
        committed: this.#committed,
        positions: new KnownPositions(),
        waits: this.#waits,
        consistencyWaitMs: this.#options.consistencyWaitMs ?? DEFAULTS.consistencyWaitMs,
        snapshot: () => this.#monitor.snapshot,
        loads: this.#balance.loads,
        primaryReads: this.#primaryReads,
        writes: this.#writes,
        replay: this.#replay,
        replayed: (node, outcome, commands) => this.#replayed(node, outcome, commands),
        nextReplica: (wish) => this.#balance.next(this.#monitor.snapshot, wish),
        lost: (node, why) => this.#connectionFailed(node, why),
        askPrimary: async () => this.#monitor.askPrimary(),
        ran: (node, run, route) => this.#ran(node, run, route),
        refused: (node, run, error, ofStatement) => this.#refused(node, run, error, ofStatement),
      },
      backends: this.#backends,
      statements,
      routines: this.#routines.known,
      binlogFrom: this.#users.binlogFrom,
      consistency: this.#options.consistency ?? 'session',
      rules: new Rules(this.#options.rules ?? []),
      admin: new Admin(this.#options.monitor.user, {
        digests: this.#digests,
        counts: () => this.counts(),
        sessions: () => [...this.#clients].flatMap((client) => client.status ?? []),
        pools: () => this.#backends.pools,
        snapshot: () => this.#monitor.snapshot,
        command: (node, event) => this.#monitor.command(node, event),
        promoter: this.#supervisor,
        waits: this.#waits,
      }),
      entrance: {
        users: this.#users,
        rsaKey,
        tls: this.#clientTls,
        compression: clients.compression ?? [],
        authPlugin: clients.authPlugin ?? CACHING_SHA2,
        serverVersion: clients.serverVersion,
      },
      intake: this.#intake,
      times: this.#times,
      log: this.#log,
      killsAbandoned: clients.killAbandoned ?? false,
      clientOf: (id) => this.#registry.get(id),
    };
    this.#idleTimer = setInterval(() => this.#endIdleClients(), DEFAULTS.idleIntervalMs);
    return this.#listen(context);
  }

  /** Nothing waits for it. */
  #tellWhatIsMissing(): void {
    const nodes = this.snapshot.nodes.map(({ address }) => address);
    void tellWhatIsMissing(this.#options, nodes, this.#serverTls, this.#log);
  }

  /** How many statements ran where and why, most first. */
  counts(): { node: string; target: string; reason: string; statements: number }[] {
    return [...this.#counts]
      .flatMap(([node, reasons]) => [...reasons].map(([reason, count]) => ({ node, reason, ...count })))
      .sort((a, b) => b.statements - a.statements);
  }

  /** Takes no more clients, lets what runs come to its end for a bounded time, then ends everything. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearInterval(this.#idleTimer);
    this.#listeners?.close();
    const deadline = Date.now() + DEFAULTS.drainTimeoutMs;
    while (this.#clients.size > 0 && Date.now() < deadline) {
      for (const client of this.#clients) if (client.idle) client.shutDown();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.#writes.stop();
    for (const client of this.#clients) client.destroy();
    await this.#supervisor?.stop();
    this.#monitor.stop();
    this.#routines.stop();
    this.#clientTls?.stop();
    this.#serverTls.stop();
    await this.#backends.end();
  }

  async #listen(context: ProxyContext): Promise<readonly ListenAddress[]> {
    const listeners = new Listeners((socket, via) => this.#accept(socket, via, context));
    this.#listeners = listeners;
    try {
      const bound: ListenAddress[] = [];
      for (const address of this.#options.listen) bound.push(await listeners.listen(address));
      return bound;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #accept(socket: Socket, via: ListenAddress, context: ProxyContext): void {
    const isLocal = isUnixSocket(via);
    const address = isLocal ? '' : plainAddress(socket.remoteAddress ?? '');
    const mayBeProxied = this.#proxies.has(address);
    const admission = this.#admit(mayBeProxied ? undefined : address, socket);
    if (admission === undefined) return;
    const onEnded = (client: ClientConnection): void => {
      this.#clients.delete(client);
      this.#registry.delete(client);
    };
    const source = { socket, address, isLocal, mayBeProxied, admission, onEnded };
    this.#clients.add(this.#registry.add((id) => new ClientConnection(id, source, context)));
  }

  /** @param address undefined where it is not known yet */
  #admit(address: string | undefined, socket: Socket): Admission | undefined {
    let admission: Admission | undefined;
    try {
      if (this.#stopping) throw new RwsplitError('shutting-down', 'the proxy is shutting down; connect again');
      admission = this.#limits.admit();
      if (address !== undefined) admission.comesFrom(address);
      return admission;
    } catch (error) {
      admission?.leave();
      socket.on('error', () => socket.destroy());
      socket.write(framePackets(encodeErr(errPacketOf(error)), 0));
      endSocket(socket);
      // What is never read would keep the connection.
      socket.resume();
      return undefined;
    }
  }

  #endIdleClients(): void {
    this.#times.nowMs = Date.now();
    for (const client of this.#clients) client.endIfIdle(this.#times.nowMs);
  }

  #ran(node: string, run: CommandRun, route: Route): void {
    if (this.#routines.known.size > 0 && mayChangeRoutines(run.classification, () => textOf(run)?.toString('latin1')))
      this.#routines.forget();
    run.digest?.ran(node, route.to, route.reason);
    this.#count(node, route);
  }

  #count(node: string, route: Route): void {
    const reasons = this.#counts.get(node);
    const count = reasons?.get(route.reason);
    if (count !== undefined) count.statements++;
    else if (reasons !== undefined) reasons.set(route.reason, { target: route.to, statements: 1 });
    else this.#counts.set(node, new Map([[route.reason, { target: route.to, statements: 1 }]]));
  }

  #refused(node: string, { route, digest }: CommandRun, { errno }: ErrPacket, ofStatement: boolean): void {
    if (digest === undefined) return;
    digest.refused(node, route.to, route.reason);
    if (!ofStatement || digest.refusedByReplica || !this.#digests.isSingle(digest)) return;
    digest.refusedByReplica = true;
    const what = 'a replica refused a statement as a write: from now on its like goes to the primary';
    this.#log.warn({ digest: digest.hash, statement: digest.text, node, errno }, what);
  }

  #replayed(node: string, outcome: ReplayOutcome, commands: number): void {
    const isSame = outcome === 'same';
    const what = isSame ? 'was run again' : 'could not be run again';
    this.#log[isSame ? 'info' : 'warn'](
      { node, outcome, commands },
      `a transaction that was lost with the primary ${what}`,
    );
  }

  #connectionFailed(node: string, why: string): void {
    this.#monitor.connectionFailed(node, why);
    this.#supervisor?.connectionFailed(node);
  }

  /** @param left the old primary: nobody waits any more for what it does not answer */
  async #appoint(serverUuid: string, left: string | undefined): Promise<void> {
    await this.#monitor.appoint(serverUuid);
    this.#writes.look();
    if (left !== undefined && left !== this.snapshot.primary?.address.name) this.#backends.drop(left, true);
  }

  /** Nothing new begins on the primary. @returns how many sessions have not come to an end there in time */
  async #holdWrites(node: string, waitMs: number): Promise<number> {
    this.#writes.close();
    const untilMs = performance.now() + waitMs;
    for (;;) {
      this.#backends.reclaim(node);
      let running = 0;
      for (const client of this.#clients) if (client.isAtWork) running++;
      if (running === 0 || performance.now() >= untilMs) return running;
      await new Promise((resolve) => setTimeout(resolve, HOLD_LOOK_MS));
    }
  }

  #topologyChanged(snapshot: Snapshot, before: Snapshot): void {
    this.#writes.look();
    this.#supervisor?.topologyChanged(snapshot);
    const nodes = Object.fromEntries(snapshot.nodes.map(({ address, role }) => [address.name, role]));
    const primary = snapshot.primary?.address.name;
    if (snapshot.problem !== before.problem || primary !== before.primary?.address.name) {
      if (snapshot.problem === undefined) this.#log.info({ nodes }, `the primary is ${primary}`);
      else this.#log.error({ nodes }, snapshot.problem);
    }
    for (const { address, role, health, why } of snapshot.nodes) {
      const { name } = address;
      const known = before.nodes.find((it) => it.address.name === name);
      if (known?.health === health) continue;
      // Reads that have had no answer run elsewhere. What runs on the primary may have been executed.
      if (health === 'down') this.#backends.giveUpDials(name);
      const isOver = health === 'down' || health === 'maintenance';
      if (isOver && known !== undefined && known.role !== 'primary') this.#backends.drop(name, health === 'down');
      const level = health === 'up' ? 'info' : 'warn';
      this.#log[level]({ node: name, role, health, was: known?.health }, `${name} is ${health}${why && `: ${why}`}`);
    }
  }
}

/** How often it is looked whether all has come to an end on the primary. */
const HOLD_LOOK_MS = 2;

/** Out of service by an operator's word: nothing is done there. */
function nodesByCommand({ nodes }: Snapshot): ReadonlySet<string> {
  const commanded = nodes.filter(({ health }) => health === 'draining' || health === 'maintenance');
  return new Set(commanded.map(({ address }) => address.name));
}
