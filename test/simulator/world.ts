import type { Random } from '../random.js';
import { SimClock } from './clock.js';
import { SimNetwork } from './network.js';
import { SimServer } from './server.js';
import { SimStore } from './store.js';
import { contains, hasTx, txOf, zeros, type Tx, type Vector } from './vector.js';

/** What the machines take for granted of the servers. */
export interface Environment {
  /** relay_log_recovery is OFF: a relay log outlives a restart. */
  readonly keepsRelayLog: boolean;
  /** skip_replica_start is ON. */
  readonly skipsReplicaStart: boolean;
  /** Which sessions a leader's first statement ends: those of earlier leaders and its own earlier ones, the first alone, or none. */
  readonly endsSessions: 'all' | 'others' | 'none';
}

export const ENVIRONMENT: Environment = { keepsRelayLog: true, skipsReplicaStart: true, endsSessions: 'all' };

/** Servers, network, and what clients were told: what coordinators act on. */
export class SimWorld {
  readonly clock = new SimClock();
  readonly random: Random;
  readonly network: SimNetwork;
  readonly servers: readonly SimServer[];
  readonly store = new SimStore();
  readonly storeId: number;
  readonly environment: Environment;
  /** How long the applier of each server takes for a few transactions, at the most. */
  readonly applyMs: number[] = [];
  readonly journals = new Map<Tx, { readonly epoch: number; readonly server: number }>();
  /** What clients have been told to be committed. */
  readonly acknowledged: Vector;
  acknowledgedCount = 0;
  lastAcknowledged: { readonly server: number; readonly atMs: number } = { server: -1, atMs: -1 };
  /** Nothing that is acknowledged may be lost. */
  readonly isLossless: boolean;
  /** What must not have happened, and did. */
  readonly violations: string[] = [];
  readonly trace: string[] | undefined;

  constructor(
    random: Random,
    sizes: { readonly servers: number; readonly coordinators: number },
    isLossless: boolean,
    environment: Environment,
    trace: boolean,
  ) {
    this.random = random;
    this.storeId = sizes.servers + sizes.coordinators;
    this.network = new SimNetwork(this.storeId + 1);
    this.network.onChange = () => this.connectivityChanged();
    this.isLossless = isLossless;
    this.environment = environment;
    this.servers = Array.from({ length: sizes.servers }, (_, id) => new SimServer(id, sizes.servers, this));
    this.acknowledged = zeros(sizes.servers);
    this.trace = trace ? [] : undefined;
  }

  /** Mostly short, seldom much longer. */
  delay(usualMs: number): number {
    const ms = 1 + this.random.below(usualMs);
    return this.random.below(64) === 0 ? ms * 10 : ms;
  }

  idOf(name: string): number {
    return Number(name.slice(2)) - 1;
  }

  note(text: () => string): void {
    this.trace?.push(`${this.clock.nowMs.toFixed(0).padStart(6)} ${text()}`);
  }

  violated(what: string): void {
    this.note(() => `VIOLATED: ${what}`);
    this.violations.push(`${what} (at ${this.clock.nowMs} ms)`);
  }

  isConnectable(replica: SimServer, source: SimServer): boolean {
    return source.up && !source.hung && this.network.reaches(replica.id, source.id);
  }

  /** @param now only those whose acknowledgements would come now */
  ackersOf(source: SimServer, now: boolean): number {
    let count = 0;
    for (const it of this.servers) {
      if (it.source !== source.id || !it.connected || !it.acknowledges) continue;
      if (!now || (it.brokenAtMs === undefined && it.up && !it.hung)) count++;
    }
    return count;
  }

  appended(source: SimServer): void {
    for (const it of this.servers) if (it.source === source.id) it.transferSoon();
  }

  attached(replica: SimServer, source: SimServer): void {
    if (contains(source.logged, replica.position) || replica.source === replica.id) return;
    // One that is late itself may yet get it; one that is written to will not.
    if (source.readOnly) return;
    this.violated(`db${replica.id + 1} replicates from db${source.id + 1}, which lacks what it has`);
  }

  connectivityChanged(): void {
    for (const it of this.servers) it.review();
  }

  sendAcknowledgement(replica: SimServer, source: SimServer, tx: Tx): void {
    const { incarnation } = source;
    this.clock.after(this.delay(5), () => {
      if (source.incarnation !== incarnation || !this.network.reaches(replica.id, source.id)) return;
      source.whenRunning(() => source.acknowledge(replica.id, tx));
    });
  }

  /** A client writes. It is told so when that is committed, as long as the way back is there. */
  write(server: SimServer, client: number | undefined): void {
    const isReached = client === undefined || this.network.reaches(client, server.id);
    if (!isReached || !server.takesWrites) return;
    const number = (server.logged[server.id] ?? 0) + 1;
    server.write(() => {
      if (client === undefined || this.network.reaches(client, server.id)) this.#told(server, number);
    });
  }

  #told(server: SimServer, number: number): void {
    this.acknowledgedCount++;
    if ((this.acknowledged[server.id] ?? 0) < number) this.acknowledged[server.id] = number;
    // Since a claim is written down, whoever else acknowledges acknowledges only what that one has, too.
    const claimed = this.store.record === undefined ? undefined : this.servers[this.store.record.server];
    if (this.isLossless && claimed !== undefined && !hasTx(claimed.executed, txOf(server.id, number))) {
      this.violated(
        `db${server.id + 1} acknowledges its transaction ${number}, which db${claimed.id + 1} lacks that is to be the primary`,
      );
    }
    this.lastAcknowledged = { server: server.id, atMs: this.clock.nowMs };
  }

  opened(server: SimServer): void {
    this.note(() => `db${server.id + 1} is open`);
    if (server.canAcknowledge) this.mustHaveAcknowledged(server);
  }

  mustHaveAcknowledged(server: SimServer): void {
    if (!this.isLossless || contains(server.executed, this.acknowledged)) return;
    const lacks = this.acknowledged
      .map((number, id) => [id, server.executed[id] ?? 0, number] as const)
      .filter(([, has, number]) => has < number)
      .map(([id, has, number]) => `db${id + 1}:${has + 1}-${number}`);
    this.violated(`db${server.id + 1} acknowledges writes, and lacks acknowledged ${lacks.join(', ')}`);
  }

  /** After each step. */
  check(): void {
    if (!this.isLossless) return;
    let writable: SimServer | undefined;
    for (const it of this.servers) {
      if (!it.canAcknowledge) continue;
      if (writable !== undefined) {
        this.violated(`db${writable.id + 1} and db${it.id + 1} both acknowledge writes`);
        return;
      }
      writable = it;
    }
  }
}
