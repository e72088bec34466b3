import { RwsplitError } from '../../src/errors.js';
import { chooseReplica } from '../../src/routing/choose-replica.js';
import { levelOf } from '../../src/routing/route.js';
import type { Session } from '../../src/session/session.js';
import type { Node } from '../../src/topology/snapshot.js';
import type { BackendGroup } from '../backends.js';
import type { BinlogSource } from '../binlog-source.js';
import type { CommandRun, Role } from '../command-run.js';
import type { KeptConnections } from './kept-connections.js';
import { endTransaction, type KeptTransaction } from './kept-transaction.js';
import type { ReplicaTransaction } from './replica-transaction.js';
import { sessionLost, type RunState } from './run-state.js';
import type { Cluster, RunnerClient, RunnerContext } from './runner-context.js';
import type { Starting } from './starting.js';

/** Finds the connection that a command runs on: one that is kept, or one of a pool; then it is started there. */
export class Connecting {
  readonly #state: RunState;
  readonly #session: Session;
  readonly #group: BackendGroup;
  readonly #cluster: Cluster;
  readonly #client: RunnerClient;
  readonly #kept: KeptConnections;
  readonly #transaction: KeptTransaction;
  readonly #starting: Starting;

  constructor(
    { state, session, group, cluster, client, kept }: RunnerContext,
    transaction: KeptTransaction,
    starting: Starting,
  ) {
    this.#state = state;
    this.#session = session;
    this.#group = group;
    this.#cluster = cluster;
    this.#client = client;
    this.#kept = kept;
    this.#transaction = transaction;
    this.#starting = starting;
  }

  connect(run: CommandRun): void {
    const { lost } = this.#state;
    if (lost !== undefined) {
      this.#state.fail(lost);
      this.#client.end();
      return;
    }
    if (this.#session.previousLost && asksLost(run)) {
      const what =
        "its connection was needed by another client; ask right after the statement, or raise the pool's maximum";
      this.#state.fail(new RwsplitError('previous-lost', `what the previous statement left is gone: ${what}`));
      return;
    }
    const { open } = this.#transaction;
    if (open !== undefined && !run.resets) {
      this.#connectInTransaction(open, run);
      return;
    }
    this.#transaction.abandon();
    if (run.source !== undefined) {
      this.#connectToSource(run, run.source);
      return;
    }
    const { previous } = this.#kept;
    if (previous !== undefined && asksReplica(run)) {
      this.#starting.start(previous, 'replica');
      return;
    }
    this.#kept.releasePrevious();
    const node = run.route.to === 'replica' ? this.#replicaFor(run) : undefined;
    if (node !== undefined) this.#acquire(node, 'replica');
    else if (run.route.to === 'replica' && this.#lacksReplicas)
      this.#state.readOnPrimary(() => this.connectToPrimary());
    else this.connectToPrimary();
  }

  /** No replica is there for the command. */
  get #lacksReplicas(): boolean {
    return this.#state.failed.size > 0 || this.#cluster.snapshot().replicas.length === 0;
  }

  /** Nothing is sent to what is no primary any more. */
  connectToPrimary(): void {
    const { primary, problem } = this.#cluster.snapshot();
    if (primary === undefined) {
      this.#state.fail(new RwsplitError('no-primary', problem ?? 'no primary is known'));
      return;
    }
    const kept = this.#kept.primary;
    if (kept === undefined) {
      this.#acquire(primary, 'primary');
      return;
    }
    if (kept.node.name === primary.address.name) {
      this.#starting.start(kept, 'primary');
      return;
    }
    this.#kept.discard(kept);
    if (this.#session.boundToPrimary) {
      this.#state.fail(sessionLost(kept, `the primary is ${primary.address.name} now`));
      this.#client.end();
    } else this.#acquire(primary, 'primary');
  }

  /** Leaves the primary for a read. @returns undefined where the primary is to answer it after all */
  #replicaFor(run: CommandRun): Node | undefined {
    this.#carryNextTransaction();
    if (!this.#session.keepsPrimary) this.#kept.releasePrimary();
    const choices = {
      snapshot: this.#cluster.snapshot(),
      positions: this.#cluster.positions,
      nextReplica: (except: ReadonlySet<string>, maxLagMs?: number) => this.#cluster.nextReplica(except, maxLagMs),
    };
    const { classification } = run;
    const { freshness } = this.#session;
    const level = levelOf(this.#session, classification);
    const chosen = chooseReplica(choices, { classification, level, freshness, failed: this.#state.failed });
    this.#state.position = chosen?.position;
    this.#state.waits = chosen?.waits;
    return chosen?.node;
  }

  /** A binary log is read on a connection of its own, and the session has none but that from then on. */
  #connectToSource(run: CommandRun, { node }: BinlogSource): void {
    const state = this.#state;
    const { replicas } = this.#cluster.snapshot();
    const named = replicas.find(({ address }) => address.name === node);
    const source = node === undefined ? this.#cluster.nextReplica(state.failed) : named;
    const fromPrimary = (): void => {
      state.run = { ...run, source: undefined, route: { to: 'primary', reason: run.classification.reason } };
      this.connectToPrimary();
    };
    if (source === undefined) {
      fromPrimary();
      return;
    }
    const isOver = (): boolean => state.life !== 'open' || state.run !== run;
    this.#group.openAside(source.address).then(
      (connection) => {
        if (isOver()) {
          connection.close();
          return;
        }
        const { primary } = this.#kept;
        if (primary !== undefined) this.#kept.discard(primary);
        this.#starting.start(connection, 'replica');
      },
      () => {
        if (!isOver()) fromPrimary();
      },
    );
  }

  #connectInTransaction(open: ReplicaTransaction, run: CommandRun): void {
    const { transaction: connection } = this.#kept;
    if (run.route.to === 'transaction' && connection !== undefined) {
      this.#starting.start(connection, 'replica');
    } else if (connection === undefined && open.hasRead) {
      // What it has read would not fit what it reads elsewhere.
      this.#transaction.abandon();
      const what = `the connection to ${open.node} with the read-only transaction is gone; begin it again`;
      this.#state.fail(new RwsplitError('transaction-lost', what));
    } else this.connectToPrimary();
  }

  /** What the next transaction is to be was told to the primary: it goes along to a replica, and the primary is to forget it. */
  #carryNextTransaction(): void {
    if (!this.#session.pins.delete('next-transaction')) return;
    const { primary } = this.#kept;
    if (primary !== undefined) endTransaction(primary, 'COMMIT');
  }

  #acquire(node: Node, role: Role): void {
    const pool = this.#group.pool(node.address);
    const ready = pool.acquireReady(this.#session.state);
    if (ready !== undefined) {
      this.#starting.start(ready, role);
      return;
    }
    const state = this.#state;
    const { run } = state;
    pool.acquire(this.#session.state).then(
      (connection) => {
        if (state.life !== 'open' || state.run !== run) this.#kept.release(connection);
        else this.#starting.start(connection, role);
      },
      (error: unknown) => {
        if (state.run === run) this.#notAcquired(node, role, error);
      },
    );
  }

  #notAcquired(node: Node, role: Role, error: unknown): void {
    const { life, run, failed } = this.#state;
    if (life !== 'open' || run === undefined) return;
    failed.add(node.address.name);
    if (role === 'replica') this.connect(run);
    else this.#state.fail(error);
  }
}

/** Asks for what a read left, and is certainly a read itself: what asks for LAST_INSERT_ID() or ROW_COUNT() may be a write. */
function asksReplica({ route, classification }: CommandRun): boolean {
  if (route.to !== 'previous') return false;
  return classification.reason === 'diagnostics' || classification.reason === 'found-rows';
}

/** Asks for what only the previous statement's connection has. */
function asksLost({ classification: { reason, target } }: CommandRun): boolean {
  return target === 'last' && (reason === 'diagnostics' || reason === 'row-count');
}
