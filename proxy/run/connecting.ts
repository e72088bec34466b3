import { LoginRefused, RwsplitError } from '../../src/errors.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import { chooseReplica } from '../../src/routing/choose-replica.js';
import { levelOf, maxLagOf, type Diversion } from '../../src/routing/route.js';
import type { ServerConnection } from '../../src/runtime/server-connection.js';
import type { ReplicaTransaction } from '../../src/session/replica-transaction.js';
import type { PreviousLeft, Session } from '../../src/session/session.js';
import type { ReadWish } from '../../src/topology/read-balance.js';
import type { Node } from '../../src/topology/snapshot.js';
import type { BackendGroup } from '../backends.js';
import type { BinlogSource } from '../binlog-source.js';
import { textOf, type CommandRun, type Role } from '../command-run.js';
import type { Recording } from '../replay/recording.js';
import type { KeptConnections } from './kept-connections.js';
import { endTransaction, type KeptTransaction } from './kept-transaction.js';
import { sessionLost, transactionLost, type RunState } from './run-state.js';
import type { Cluster, RunnerClient, RunnerContext } from './runner-context.js';
import type { Starting } from './starting.js';

/** Where a read goes: a replica; the primary in its turn, or by name; the primary as no replica can take it. */
type Place = Node | 'primary' | Diversion;

/** Finds the connection that a command runs on: one that is kept, or one of a pool; then it is started there. */
export class Connecting {
  readonly #state: RunState;
  readonly #session: Session;
  readonly #group: BackendGroup;
  readonly #cluster: Cluster;
  readonly #client: RunnerClient;
  readonly #kept: KeptConnections;
  readonly #recording: Recording | undefined;
  readonly #transaction: KeptTransaction;
  readonly #starting: Starting;

  constructor(
    { state, session, group, cluster, client, kept, recording }: RunnerContext,
    transaction: KeptTransaction,
    starting: Starting,
  ) {
    this.#state = state;
    this.#session = session;
    this.#group = group;
    this.#cluster = cluster;
    this.#client = client;
    this.#kept = kept;
    this.#recording = recording;
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
    if (asksLost(run, this.#session.previousLost)) {
      const what =
        'its connection was needed by another client, or its server is being drained; ' +
        "ask right after the statement, or raise the pool's maximum";
      this.#state.fail(new RwsplitError('previous-lost', `what the previous statement left is gone: ${what}`));
      return;
    }
    const { transactionLostOn } = this.#state;
    this.#state.transactionLostOn = undefined;
    if (transactionLostOn !== undefined && this.#tellTransactionLost(transactionLostOn, run)) return;
    // What ends a transaction, and keeps nothing of it, need not have it run again first.
    if (this.#recording?.lost !== undefined && (run.resets || isRollback(run))) this.#recording.abandon();
    if (this.#session.insertIdLost && asksInsertId(run)) {
      this.#session.insertIdLost = false;
      const what =
        'LAST_INSERT_ID() was lost with the connection to the server that had it; read the row by another key';
      this.#state.fail(new RwsplitError('previous-lost', what));
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
    if (run.route.to === 'replica') this.#connectToReplica(run);
    else this.connectToPrimary();
  }

  #connectToReplica(run: CommandRun): void {
    this.#state.route = run.route;
    const place = this.#placeFor(run);
    if (typeof place === 'object') this.#acquire(place, 'replica');
    else if (place === 'primary') this.connectToPrimary();
    else this.readOnPrimary(place);
  }

  /** The primary answers what no replica can, as far as there is room for that. */
  readOnPrimary(reason: Diversion): void {
    const state = this.#state;
    state.route = { to: 'primary', reason };
    // Who keeps a connection there takes no more room than before; and others may wait for that one.
    if (this.#kept.primary !== undefined) this.connectToPrimary();
    else state.readOnPrimary(() => this.connectToPrimary());
  }

  /** Nothing is sent to what is no primary any more. */
  connectToPrimary(): void {
    const { primary, problem } = this.#cluster.snapshot();
    if (primary === undefined || this.#state.failed.has(primary.address.name)) {
      const what =
        primary === undefined ? (problem ?? 'no primary is known') : `${primary.address.name} does not answer`;
      this.#hold(new RwsplitError('no-primary', what));
      return;
    }
    const kept = this.#kept.primary;
    if (kept !== undefined && kept.node.name === primary.address.name) {
      if (this.#cluster.writes.isClosed && !this.#session.mustGoOn) this.#hold(beingChanged());
      else this.#starting.start(kept, 'primary');
      return;
    }
    if (this.#cluster.writes.isClosed) {
      this.#hold(beingChanged());
      return;
    }
    if (kept !== undefined && this.#isLeftBehind(kept, primary)) return;
    this.#acquire(primary, 'primary');
  }

  /** The primary is another node now. @returns whether the command is over with that */
  #isLeftBehind(kept: ServerConnection, { address }: Node): boolean {
    const { run } = this.#state;
    this.#kept.discard(kept);
    if (this.#recording?.connectionLost(kept.node.name, run, 'not-sent') === true) return false;
    switch (this.#session.primaryLost()) {
      case 'nothing':
        return false;
      case 'transaction':
        return run !== undefined && this.#tellTransactionLost(kept.node.name, run);
      case 'state':
        this.#state.fail(sessionLost(kept, `the primary is ${address.name} now`));
        this.#client.end();
        return true;
    }
  }

  /** What ends the transaction, and keeps nothing of it, has what it wants. */
  #tellTransactionLost(node: string, run: CommandRun): boolean {
    if (run.resets || isRollback(run)) return false;
    this.#state.fail(transactionLost(node));
    return true;
  }

  /** The command waits for a primary: it has not been executed anywhere. */
  #hold(why: unknown): void {
    const state = this.#state;
    const { run } = state;
    if (run === undefined) return;
    state.heldSinceMs ??= Date.now();
    const except = new Set(state.failed);
    this.#cluster.writes.add({
      bytes: run.message.raw.length,
      sinceMs: state.heldSinceMs,
      except,
      isOver: () => state.life !== 'open' || state.run !== run,
      go: () => {
        for (const node of except) state.failed.delete(node);
        this.connectToPrimary();
      },
      fail: (error) => {
        if (state.run === run) this.#failHeld(error);
      },
      why,
    });
  }

  /** No primary came in time. A transaction that was to be run again there is lost: the client is to begin it anew. */
  #failHeld(error: unknown): void {
    const lost = this.#recording?.lost;
    if (lost === undefined) {
      this.#state.fail(error);
      return;
    }
    this.#recording?.abandon();
    this.#state.fail(transactionLost(lost.node, 'there has been no primary to run it again'));
  }

  /** The server refused the command as it is no primary any more: it did nothing, and somebody else is. @param error the server's own words */
  refusedByPrimary(node: string, error: ErrPacket): void {
    this.#state.failed.add(node);
    this.#cluster.lost(node, `it refuses writes: ${error.message}`);
    this.#hold(new LoginRefused(error));
  }

  /** Leaves the primary for a read. */
  #placeFor(run: CommandRun): Place {
    this.#carryNextTransaction();
    if (!this.#session.keepsPrimary) this.#kept.releasePrimary();
    const choices = {
      snapshot: this.#cluster.snapshot(),
      positions: this.#cluster.positions,
      nextReplica: (wish: ReadWish) => this.#cluster.nextReplica(wish),
    };
    const { classification } = run;
    const session = this.#session;
    const chosen = chooseReplica(choices, {
      node: classification.node,
      level: levelOf(session, classification),
      maxLagMs: maxLagOf(session, classification),
      freshness: session.freshness,
      failed: this.#state.failed,
    });
    if (typeof chosen === 'string') return chosen;
    this.#state.position = chosen.position;
    this.#state.waits = chosen.waits;
    return chosen.node;
  }

  /** A binary log is read on a connection of its own, and the session has none but that from then on. */
  #connectToSource(run: CommandRun, { node }: BinlogSource): void {
    const state = this.#state;
    const { replicas } = this.#cluster.snapshot();
    const named = replicas.find(({ address }) => address.name === node);
    const source =
      node === undefined ? this.#cluster.nextReplica({ failed: state.failed, maxLagMs: undefined }) : named;
    const fromPrimary = (): void => {
      state.route = { to: 'primary', reason: run.classification.reason };
      state.run = { ...run, source: undefined, route: state.route };
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
      this.#freshenTransaction(open, run);
      this.#starting.start(connection, 'replica');
    } else if (connection === undefined && open.hasRead) {
      // What it has read would not fit what it reads elsewhere.
      this.#transaction.abandon();
      const what = `the connection to ${open.node} with the read-only transaction is gone; begin it again`;
      this.#state.fail(new RwsplitError('transaction-lost', what));
    } else this.connectToPrimary();
  }

  /** A read that reads of no snapshot yet has to see what has come since the transaction was opened, too. */
  #freshenTransaction(open: ReplicaTransaction, { classification }: CommandRun): void {
    const isFixed = open.hasSnapshot && !this.#session.readsCommitted;
    if (classification.target !== 'replica' || isFixed) return;
    const found = this.#cluster.snapshot().nodes.find(({ address }) => address.name === open.node);
    if (found === undefined) return;
    const state = this.#state;
    const { freshness } = this.#session;
    const position = this.#cluster.positions.of(found);
    const fitness = freshness.fitness(position, levelOf(this.#session, classification), this.#cluster.snapshot());
    state.position = position;
    state.waits = fitness.kind === 'waits' ? fitness : undefined;
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
    const { life, run, route, failed } = this.#state;
    if (life !== 'open' || run === undefined) return;
    failed.add(node.address.name);
    // What the primary was to answer as any other node may have another one. What only it can waits until it is back, or another one is.
    if (role === 'replica' || route.to === 'replica') this.connect(run);
    else if (isAway(error)) this.#hold(error);
    else this.#state.fail(error);
  }
}

/** Asks for what a read left, and is certainly a read itself: what asks for LAST_INSERT_ID() or ROW_COUNT() may be a write. */
function asksReplica({ route, classification }: CommandRun): boolean {
  if (route.to !== 'previous') return false;
  return classification.reason === 'diagnostics' || classification.reason === 'found-rows';
}

/** The server is not there, or going: another one may take its place. */
function isAway(error: unknown): boolean {
  if (error instanceof RwsplitError) return error.code === 'server-unreachable' || error.code === 'server-lost';
  return error instanceof LoginRefused && GOING.has(error.packet.errno);
}

/** Of a server that shuts down, or is offline. */
const GOING: ReadonlySet<number> = new Set([1053, 3032]);

function beingChanged(): RwsplitError {
  return new RwsplitError('no-primary', 'the primary is being changed');
}

function isRollback(run: CommandRun): boolean {
  if (run.classification.reason !== 'transaction-control') return false;
  return /^\s*rollback(?:\s+work)?\s*;?\s*$/i.test(textOf(run)?.toString('latin1') ?? '');
}

/** May ask for LAST_INSERT_ID(), itself or by what it calls. */
function asksInsertId(run: CommandRun): boolean {
  const { reason } = run.classification;
  if (reason === 'procedure-call' || reason === 'stored-function') return true;
  return /last_insert_id|@@[^,;]{0,20}identity/i.test(textOf(run)?.toString('latin1') ?? '');
}

/** Asks for what only the previous statement's connection had. */
function asksLost(run: CommandRun, lost: PreviousLeft): boolean {
  const { reason, target } = run.classification;
  if (target !== 'last' || !(lost.rowCount || lost.diagnostics)) return false;
  if (reason === 'row-count') return true;
  if (reason === 'diagnostics') return lost.diagnostics;
  // One statement may ask for several.
  const text = textOf(run)?.toString('latin1') ?? '';
  return (lost.rowCount && /row_count/i.test(text)) || (lost.diagnostics && /(?:warning|error)_count/i.test(text));
}
