import { generateKeyPair } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { DigestTable } from '../src/classify/digest-table.js';
import { StatementCache } from '../src/classify/statement-cache.js';
import { DEFAULTS } from '../src/defaults.js';
import { errPacketOf, RwsplitError } from '../src/errors.js';
import { framePackets } from '../src/protocol/framing.js';
import { encodeErr, type ErrPacket } from '../src/protocol/packets/err.js';
import type { Log } from '../src/runtime/log.js';
import { Monitor } from '../src/runtime/monitor.js';
import { StoredFunctions } from '../src/runtime/stored-functions.js';
import type { MonitorAccount } from '../src/runtime/node-probe.js';
import { Rules, type Rule } from '../src/routing/rules.js';
import type { Consistency } from '../src/session/consistency.js';
import { RoundRobin } from '../src/topology/balance/round-robin.js';
import type { NodeAddress, Snapshot } from '../src/topology/snapshot.js';
import { Admin } from './admin/admin.js';
import { Backends } from './backends.js';
import type { BinlogFrom } from './binlog-source.js';
import { ClientConnection, type ProxyContext } from './client-connection.js';
import type { RsaKey } from './client-login.js';
import { ClientRegistry } from './client-registry.js';
import { textOf, type CommandRun } from './command-run.js';

export interface ProxyOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly nodes: readonly NodeAddress[];
  readonly monitor: MonitorAccount;
  /** Server connections for each node, user and way of talking. */
  readonly poolMax: number;
  /** `session` when absent. */
  readonly consistency?: Consistency | undefined;
  /** Where reads go, beside what their own text says; none needed. */
  readonly rules?: readonly Rule[] | undefined;
  /** From where a user's clients follow the binary log; the primary for those who are not named. */
  readonly binlogFrom?: ReadonlyMap<string, BinlogFrom> | undefined;
}

/** The proxy: listens for clients, looks at the nodes, and takes each statement where it belongs. */
export class Proxy {
  readonly #options: ProxyOptions;
  readonly #log: Log;
  readonly #clients = new Set<ClientConnection>();
  readonly #registry = new ClientRegistry<ClientConnection>();
  readonly #monitor: Monitor;
  readonly #backends: Backends;
  readonly #balance = new RoundRobin();
  /** Statements by node, then by reason. */
  readonly #counts = new Map<string, Map<string, { target: string; statements: number }>>();
  readonly #digests = new DigestTable(DEFAULTS.digests);
  readonly #functions: StoredFunctions;
  #statements: StatementCache | undefined;
  #server: Server | undefined;
  #stopping = false;

  constructor(options: ProxyOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.#monitor = new Monitor(options.nodes, options.monitor, (snapshot) => this.#topologyChanged(snapshot));
    this.#functions = new StoredFunctions(
      options.monitor,
      () => this.#monitor.snapshot.primary,
      () => this.#statements?.clear(),
      log,
    );
    this.#backends = new Backends(() => this.#monitor.snapshot, {
      max: options.poolMax,
      queueMax: DEFAULTS.poolQueueMax,
      acquireTimeoutMs: DEFAULTS.poolAcquireTimeoutMs,
      idleMs: DEFAULTS.poolIdleMs,
    });
  }

  get snapshot(): Snapshot {
    return this.#monitor.snapshot;
  }

  /** @returns the address on which clients are served. @throws Error with one clear sentence when it cannot serve */
  async start(): Promise<{ host: string; port: number }> {
    const rsaKey = await makeRsaKey();
    const observations = await this.#monitor.start();
    for (const seen of observations) {
      if (seen.kind !== 'silent') continue;
      await this.stop();
      throw new Error(`node ${seen.address.name} cannot be used: ${seen.why}`);
    }
    if (this.snapshot.problem !== undefined) {
      await this.stop();
      throw new Error(this.snapshot.problem);
    }
    const statements = new StatementCache({
      maxBytes: DEFAULTS.statementCacheBytes,
      maxStatementBytes: DEFAULTS.statementCacheEntryBytes,
      digests: this.#digests,
      functions: this.#functions.known,
    });
    this.#statements = statements;
    await this.#functions.start();
    const context: ProxyContext = {
      cluster: {
        consistency: this.#options.consistency ?? 'session',
        snapshot: () => this.#monitor.snapshot,
        nextReplica: (except) => this.#balance.next(this.#monitor.snapshot.replicas, except),
        ran: (node, run) => this.#ran(node, run),
        refused: (node, run, error, ofStatement) => this.#refused(node, run, error, ofStatement),
      },
      backends: this.#backends,
      statements,
      functions: this.#functions.known,
      binlogFrom: this.#options.binlogFrom ?? new Map(),
      rules: new Rules(this.#options.rules ?? []),
      admin: new Admin(this.#options.monitor.user, this.#digests, () => this.counts()),
      rsaKey,
      log: this.#log,
      clientOf: (id) => this.#registry.get(id),
    };
    return this.#listen(context);
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
    this.#server?.close();
    const deadline = Date.now() + DEFAULTS.drainTimeoutMs;
    while (this.#clients.size > 0 && Date.now() < deadline) {
      for (const client of this.#clients) if (client.idle) client.shutDown();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const client of this.#clients) client.destroy();
    this.#monitor.stop();
    this.#functions.stop();
    await this.#backends.end();
  }

  async #listen(context: ProxyContext): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options.listen;
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket, context));
    this.#server = server;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, resolve);
      });
    } catch (error) {
      await this.stop();
      const busy = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      throw new Error(
        busy
          ? `${host}:${port} is in use by another program; stop it, or choose another address with --listen`
          : `cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    const bound = server.address();
    return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port };
  }

  #accept(socket: Socket, context: ProxyContext): void {
    if (this.#clients.size >= DEFAULTS.maxClients || this.#stopping) {
      const error = new RwsplitError(
        'too-many-clients',
        `${this.#clients.size} clients are connected, which is the maximum`,
      );
      socket.on('error', () => socket.destroy());
      socket.end(framePackets(encodeErr(errPacketOf(error)), 0));
      return;
    }
    const client = this.#registry.add((id) => new ClientConnection(id, socket, context));
    this.#clients.add(client);
    socket.on('close', () => {
      this.#clients.delete(client);
      this.#registry.delete(client);
    });
  }

  #ran(node: string, run: CommandRun): void {
    if (this.#functions.known.size > 0 && mayChangeFunctions(run)) this.#functions.forget();
    this.#count(node, run);
  }

  #count(node: string, { route, digest }: CommandRun): void {
    digest?.ran(node, route.to, route.reason);
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

  #topologyChanged(snapshot: Snapshot): void {
    const nodes = Object.fromEntries(snapshot.nodes.map((node) => [node.address.name, node.role]));
    if (snapshot.problem === undefined) this.#log.info({ nodes }, `the primary is ${snapshot.primary?.address.name}`);
    else this.#log.error({ nodes }, snapshot.problem);
  }
}

const ROUTINES = /\b(?:function|procedure|database|schema)\b/i;

function mayChangeFunctions(run: CommandRun): boolean {
  const { reason } = run.classification;
  if (reason !== 'ddl' && reason !== 'multi-statement') return false;
  return ROUTINES.test(textOf(run)?.toString('latin1') ?? '');
}

async function makeRsaKey(): Promise<RsaKey> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  return { privateKey, publicPem: Buffer.from(pem) };
}
