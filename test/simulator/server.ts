import type { Preference } from '../../src/failover/view.js';
import { addTx, hasTx, SetOf, txOf, unionOf, zeros, type Tx, type Vector } from './vector.js';
import type { SimWorld } from './world.js';

/** Committed on the primary's disk, and waiting for acknowledgements. */
interface Pending {
  readonly tx: Tx;
  /** One bit for each replica. */
  acks: number;
  readonly answer: (() => void) | undefined;
}

/** A replica's connection times out after so long without anything. */
const NET_TIMEOUT_MS = 2_000;
/** To stop a receiver takes so long while it connects to a source that gives no answer (MySQL 9.7). */
const STOP_CONNECTING_MS = 2_000;
const RECONNECT_MS = 300;

/**
 * A server: a binary log, what of it is committed, a relay log, and semi-synchronous replication with AFTER_SYNC and no time-out. After a
 * restart it is read-only, replicates from nobody before it is told, and has all that was in its logs.
 */
export class SimServer {
  readonly id: number;
  readonly #world: SimWorld;
  up = true;
  /** Stopped, as by SIGSTOP: it keeps its connections, and does nothing. */
  hung = false;
  readOnly = true;
  /** Waits to become read-only; nobody writes until it is, or gives up. */
  closing = false;
  offline = false;
  isClosedByStart = false;
  startedAtMs = 0;
  incarnation = 0;
  readonly log: Tx[] = [];
  readonly logged: Vector;
  executed: Vector;
  /** Ascending. */
  #pending: Pending[] = [];
  hasSemiSync = true;
  semiSource = false;
  semiCount = 1;
  semiReplica = false;
  preference: Preference = 'neutral';
  version = '8.4.0';
  source: number | undefined;
  receiver: 'on' | 'connecting' | 'off' = 'off';
  receiverErrno = 0;
  applies = false;
  applierError = '';
  received: Vector;
  readonly executedSet = new SetOf();
  readonly receivedSet = new SetOf();
  relay: Tx[] = [];
  /** The receiver's connection is there, whether anything comes or not. */
  connected = false;
  /** It acknowledges, on that connection. */
  acknowledges = false;
  #at = 0;
  /** It has been told to follow this source, and has not reached it yet. */
  #isNew = false;
  /** Since when nothing can come. */
  brokenAtMs: number | undefined;
  /** It has been told to stop, and hangs in an attempt to connect: it connects no more, and no other word about it is heard until it is off. */
  isStopping = false;
  #receiverRun = 0;
  #isTransferDue = false;
  #isApplyDue = false;
  /** What has come while it was stopped. */
  #deferred: (() => void)[] = [];
  /** Sessions of coordinators that are older than this were ended. */
  oldestSession = 0;
  journal = { epoch: 0, server: -1 };

  constructor(id: number, servers: number, world: SimWorld) {
    this.id = id;
    this.#world = world;
    this.logged = zeros(servers);
    this.executed = zeros(servers);
    this.received = zeros(servers);
  }

  get waiting(): number {
    return this.#pending.length;
  }

  get position(): Vector {
    return unionOf(this.executed, this.received);
  }

  /** Runs now, or when it goes on; never, when it is down or crashes before. */
  whenRunning(run: () => void): void {
    if (!this.up) return;
    if (this.hung) this.#deferred.push(run);
    else run();
  }

  get takesWrites(): boolean {
    return this.up && !this.hung && !this.readOnly && !this.closing && !this.offline;
  }

  /** A client that writes now gets an answer. */
  get canAcknowledge(): boolean {
    if (!this.takesWrites) return false;
    return !this.semiSource || this.#world.ackersOf(this, true) >= this.semiCount;
  }

  /** @param answer when it is committed */
  write(answer: (() => void) | undefined, journal?: { readonly epoch: number; readonly server: number }): void {
    const tx = txOf(this.id, (this.logged[this.id] ?? 0) + 1);
    if (journal !== undefined) this.#world.journals.set(tx, journal);
    this.#append(tx);
    if (this.semiSource) this.#pending.push({ tx, acks: 0, answer });
    else this.#commit(tx, answer);
  }

  /** A replica has everything up to here. */
  acknowledge(replica: number, tx: Tx): void {
    if (!this.#pending.some((it) => it.tx === tx)) return;
    for (const pending of this.#pending) {
      pending.acks |= 1 << replica;
      if (pending.tx === tx) break;
    }
    this.settle();
  }

  /** Commits what waits for nothing any more. */
  settle(): void {
    for (let [first] = this.#pending; first !== undefined; [first] = this.#pending) {
      if (this.semiSource && bitsOf(first.acks) < this.semiCount) return;
      this.#pending.shift();
      this.#commit(first.tx, first.answer);
    }
    if (!this.semiSource) this.applySoon();
  }

  /** The clients that wait are gone; what they wrote stays. */
  endClients(): void {
    this.#pending = this.#pending.map(({ tx, acks }) => ({ tx, acks, answer: undefined }));
  }

  #append(tx: Tx): void {
    this.log.push(tx);
    addTx(this.logged, tx);
    this.#world.appended(this);
  }

  #commit(tx: Tx, answer: (() => void) | undefined): void {
    addTx(this.executed, tx);
    this.#noteJournal(tx);
    answer?.();
  }

  #noteJournal(tx: Tx): void {
    const journal = this.#world.journals.get(tx);
    if (journal !== undefined && journal.epoch > this.journal.epoch) this.journal = journal;
  }

  crash(): void {
    this.up = false;
    this.hung = false;
    this.incarnation++;
    this.#pending = [];
    this.#deferred = [];
    this.stopReceiver();
    this.#world.connectivityChanged();
  }

  restart(): void {
    const { environment, clock } = this.#world;
    this.up = true;
    this.startedAtMs = clock.nowMs;
    for (let at = 0; at < this.logged.length; at++) this.executed[at] = this.logged[at] ?? 0;
    for (const tx of this.log) this.#noteJournal(tx);
    this.readOnly = true;
    this.isClosedByStart = true;
    this.closing = false;
    this.offline = false;
    this.semiSource = false;
    this.semiReplica = this.hasSemiSync;
    this.receiverErrno = 0;
    if (!environment.keepsRelayLog) {
      this.relay = [];
      this.received = zeros(this.logged.length);
    }
    const replicates = this.source !== undefined && !environment.skipsReplicaStart;
    this.applies = replicates && this.applierError === '';
    if (replicates) this.startReceiver();
    this.applySoon();
    this.#world.connectivityChanged();
  }

  hang(): void {
    this.hung = true;
    this.#world.connectivityChanged();
  }

  goOn(): void {
    if (!this.hung) return;
    this.hung = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) run();
    this.applySoon();
    this.#world.connectivityChanged();
  }

  follow(source: number): void {
    this.stopReceiver();
    // With both threads stopped the relay log is dropped.
    if (!this.applies) this.dropRelayLog();
    this.#isNew = this.source !== undefined && source !== this.source;
    this.source = source;
  }

  forgetSource(): void {
    this.dropRelayLog();
    this.source = undefined;
    this.receiverErrno = 0;
  }

  dropRelayLog(): void {
    this.relay = [];
    this.received = zeros(this.logged.length);
  }

  stopReceiver(): void {
    this.#receiverRun++;
    this.receiver = 'off';
    this.isStopping = false;
    this.connected = false;
    this.brokenAtMs = undefined;
  }

  /** @param stopped when it is off */
  stopReceiverThen(stopped: () => void): void {
    const source = this.source === undefined ? undefined : this.#world.servers[this.source];
    const isInVain = source?.up === true && !this.#world.isConnectable(this, source);
    if (this.receiver !== 'connecting' || !isInVain) {
      this.stopReceiver();
      return stopped();
    }
    this.#receiverRun++;
    this.isStopping = true;
    const { incarnation } = this;
    this.#world.clock.after(STOP_CONNECTING_MS, () => {
      if (this.incarnation !== incarnation) return;
      this.whenRunning(() => {
        this.stopReceiver();
        stopped();
      });
    });
  }

  startReceiver(): void {
    if (this.receiver !== 'off' || this.source === undefined) return;
    this.receiver = 'connecting';
    this.receiverErrno = 0;
    this.#connectSoon(this.#world.delay(15));
  }

  #connectSoon(afterMs: number): void {
    const run = ++this.#receiverRun;
    this.#world.clock.after(afterMs, () => this.#connect(run));
  }

  #connect(run: number): void {
    const source = this.source === undefined ? undefined : this.#world.servers[this.source];
    if (run !== this.#receiverRun || !this.up || source === undefined) return;
    if (this.hung || !this.#world.isConnectable(this, source)) {
      if (!this.hung) this.receiverErrno = 2003;
      this.#connectSoon(RECONNECT_MS);
      return;
    }
    if (this.#isNew) this.#world.attached(this, source);
    this.#isNew = false;
    this.connected = true;
    this.receiver = 'on';
    this.receiverErrno = 0;
    this.acknowledges = this.semiReplica;
    this.#at = 0;
    // What it has already counts, too.
    const last = source.#pending.findLast(({ tx }) => this.#has(tx));
    if (this.acknowledges && last !== undefined) source.acknowledge(this.id, last.tx);
    this.transferSoon();
  }

  /** Its connection may have been broken, or be whole again. */
  review(): void {
    const source = this.source === undefined ? undefined : this.#world.servers[this.source];
    if (!this.connected || source === undefined) return;
    if (this.#world.isConnectable(this, source) && !this.hung) {
      this.brokenAtMs = undefined;
      this.transferSoon();
      return;
    }
    if (this.brokenAtMs !== undefined && source.up) return;
    this.brokenAtMs ??= this.#world.clock.nowMs;
    const run = this.#receiverRun;
    this.#world.clock.after(source.up ? NET_TIMEOUT_MS : this.#world.delay(200), () => {
      if (run !== this.#receiverRun || this.brokenAtMs === undefined || this.hung) return;
      this.connected = false;
      this.receiver = 'connecting';
      this.receiverErrno = source.up ? 2013 : 2003;
      this.brokenAtMs = undefined;
      this.#connectSoon(this.#world.delay(15));
    });
  }

  #has(tx: Tx): boolean {
    return hasTx(this.logged, tx) || hasTx(this.received, tx);
  }

  transferSoon(): void {
    if (this.#isTransferDue || !this.connected || this.brokenAtMs !== undefined) return;
    this.#isTransferDue = true;
    this.#world.clock.after(this.#world.delay(20), () => {
      this.#isTransferDue = false;
      this.#transfer();
    });
  }

  #transfer(): void {
    const source = this.source === undefined ? undefined : this.#world.servers[this.source];
    if (!this.connected || this.brokenAtMs !== undefined || source === undefined || !this.up) return;
    let budget = 1 + this.#world.random.below(4);
    let last: Tx | undefined;
    for (; this.#at < source.log.length && budget > 0; this.#at++) {
      const tx = source.log[this.#at] ?? 0;
      if (this.#has(tx)) continue;
      budget--;
      last = tx;
      addTx(this.received, tx);
      this.relay.push(tx);
    }
    if (last === undefined) return;
    if (this.acknowledges) this.#world.sendAcknowledgement(this, source, last);
    this.applySoon();
    if (this.#at < source.log.length) this.transferSoon();
  }

  applySoon(): void {
    if (this.#isApplyDue || !this.applies || this.relay.length === 0) return;
    this.#isApplyDue = true;
    this.#world.clock.after(this.#world.delay(this.#world.applyMs[this.id] ?? 20), () => {
      this.#isApplyDue = false;
      if (!this.up || this.hung || !this.applies) return;
      // It would wait for acknowledgements that nobody gives it.
      if (this.semiSource) return;
      for (const tx of this.relay.splice(0, 1 + this.#world.random.below(4))) {
        if (hasTx(this.logged, tx)) continue;
        this.#append(tx);
        this.#commit(tx, undefined);
      }
      this.applySoon();
    });
  }
}

function bitsOf(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
