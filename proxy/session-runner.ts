import { DEFAULTS } from '../src/defaults.js';
import { errPacketOf, interrupted, RwsplitError } from '../src/errors.js';
import { Capability, hasCapability } from '../src/protocol/capabilities.js';
import { Command } from '../src/protocol/commands.js';
import { HEADER_BYTES } from '../src/protocol/framing.js';
import type { ErrPacket } from '../src/protocol/packets/err.js';
import type { ServerStatement } from '../src/runtime/prepared-cache.js';
import {
  frameCommand,
  type ConnectionPool,
  type Holder,
  type ServerConnection,
} from '../src/runtime/server-connection.js';
import { SwallowedReply, type Swallowed } from '../src/runtime/swallowed-reply.js';
import type { SessionChange } from '../src/protocol/session-changes.js';
import { awaitGtids, type Consistency } from '../src/session/consistency.js';
import { freshState, restoreState, type SessionState } from '../src/session/session-state.js';
import type { Session } from '../src/session/session.js';
import type { KillKind } from '../src/classify/connection-statement.js';
import type { Node, NodeAddress, Snapshot } from '../src/topology/snapshot.js';
import type { BackendGroup } from './backends.js';
import type { BinlogSource } from './binlog-source.js';
import { keyOnServer, statementCommand, type ClientStatement } from './client-statement.js';
import { textOf, type CommandRun } from './command-run.js';
import { executeOn, findPrepared, noteTypes } from './execute.js';
import { KeptConnections } from './kept-connections.js';
import { CLEAR, prelude, setInsertId, TELL_INSERT_ID } from './prelude.js';
import { ReplicaTransaction } from './replica-transaction.js';
import { Relay, type RelayClient, type RelayEnd } from './relay.js';
import { rerunOnPrimary } from './refusal.js';
import { unsettled, type Question } from './settle.js';

/** The client's side, as the runner needs it. */
export interface RunnerClient extends RelayClient {
  writeError(error: ErrPacket, sequenceId: number): void;
  /** The command under way has had its answer. */
  commandEnded(): void;
  /** The session cannot go on: nothing more is sent after what has been. */
  end(): void;
}

/** What the runner needs to know of the cluster. */
export interface Cluster {
  readonly consistency: Consistency;
  snapshot(): Snapshot;
  /** The replica whose turn it is, of those not in `except`. */
  nextReplica(except: ReadonlySet<string>): Node | undefined;
  /** A statement was sent. */
  ran(node: string, run: CommandRun): void;
  /** A replica refused a statement as a write. @param ofStatement it would refuse it from any session */
  refused(node: string, run: CommandRun, error: ErrPacket, ofStatement: boolean): void;
}

type Role = 'primary' | 'replica';

const ER_QUERY_INTERRUPTED = 1317;

const COUNT_OLD_WARNINGS: ReadonlySet<number> = new Set([
  Command.INIT_DB,
  Command.FIELD_LIST,
  Command.DEBUG,
  Command.SET_OPTION,
]);

/**
 * Runs a session's commands, one at a time, on the server connections that they belong on.
 *
 * ```
 *  run ──► connect ──► start ──► [restore the session's state] ──► [prepare] ──► send ──► relay ──► settle ──► finish
 *            │                        in one write with the statement where it only reads                       │
 *            └── kept: transaction, pins, holds ◄──────────── keep, or back to the pool ◄───────────────────────┘
 * ```
 */
export class SessionRunner implements RelayEnd, Holder {
  readonly session: Session;
  readonly #group: BackendGroup;
  readonly #cluster: Cluster;
  readonly #client: RunnerClient;
  readonly #queryAttributes: boolean;
  readonly #relay: Relay;
  readonly #kept: KeptConnections;

  #run: CommandRun | undefined;
  /** Where the command under way runs, and as what. */
  #connection: ServerConnection | undefined;
  #role: Role = 'primary';
  /** The statement that is to run, as this connection has it. */
  #serverStatement: ServerStatement | undefined;
  /** Nodes that failed this command. */
  readonly #failed = new Set<string>();
  #restoreFailure: RwsplitError | undefined;
  /** The replica does not have what the session wrote: its answer is dropped. */
  #stale = false;
  #transaction: ReplicaTransaction | undefined;
  /** Why the session cannot go on. */
  #lost: RwsplitError | undefined;
  #ended = false;
  /** A KILL has asked for the end of the command under way. */
  #interrupted = false;
  /** The client's connection is to end: no command begins any more. */
  #killed = false;
  /** The command has had its answer; what is still asked is ours. */
  #settling = false;
  /** KILLs under way for this session's statements. */
  #kills = 0;

  constructor(session: Session, group: BackendGroup, cluster: Cluster, client: RunnerClient) {
    this.session = session;
    this.#group = group;
    this.#cluster = cluster;
    this.#client = client;
    this.#queryAttributes = hasCapability(client.capabilities, Capability.QUERY_ATTRIBUTES);
    this.#relay = new Relay(client, this);
    this.#kept = new KeptConnections((connection) => this.#loseState(connection));
  }

  /** Whether commands that any server can answer have a connection of the session's own to go to. */
  get keepsConnection(): boolean {
    return this.#kept.primary !== undefined || this.#kept.transaction !== undefined;
  }

  run(run: CommandRun): void {
    if (this.#ended || this.#killed) return;
    this.#run = run;
    this.#interrupted = false;
    this.#settling = false;
    if (this.#failed.size > 0) this.#failed.clear();
    this.#unhold();
    this.session.begin(run.route.to === 'previous');
    // What was to interrupt the statement before must not hit this one.
    if (this.#kills === 0) this.#connect(run);
  }

  /** A SET is about to run. Which trackers the client sets with it, the server does not always tell. */
  noteTrackers(sql: string): void {
    for (const [name] of sql.matchAll(/session_track_\w+/gi)) this.#relay.askedFor(name.toLowerCase());
  }

  /** The client has closed a statement: what the kept connection has of it, long data or a cursor, is to go now. */
  forget(statement: ClientStatement): void {
    // Elsewhere it stays for the next client with the same text, until others need its place.
    const { primary } = this.#kept;
    const server = statement.bound ? primary?.prepared.get(keyOnServer(statement)) : undefined;
    if (server === undefined || primary === undefined) return;
    primary.send(statementCommand(Command.STMT_RESET, server.id), 'ok', 1, this.#swallow(primary));
  }

  /** A part of the client's file. @param ends it was the last, empty one */
  sendFile(raw: Buffer, ends: boolean, nextSequenceId: number): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (!connection.sendFile(raw)) this.#client.setReading(false);
    if (ends) connection.fileSent(nextSequenceId);
  }

  /** A packet of the client while a stream comes down: a replica says what it has received. */
  sendUp(raw: Buffer): void {
    if (this.#connection?.sendSilently(raw) === false) this.#client.setReading(false);
  }

  clientDrained(): void {
    this.#relay.clientDrained();
  }

  /** Others wait for a connection, and the one that is kept between statements may be theirs. */
  giveUp(pool: ConnectionPool): boolean {
    const { primary, previous } = this.#kept;
    if (this.#run !== undefined || this.#kills > 0) return false;
    if (previous?.pool === pool) {
      this.session.previousLost = true;
      this.#kept.releasePrevious();
      return true;
    }
    if (primary?.pool !== pool || !this.session.mayGiveUpPrimary) return false;
    if (!this.session.holds.has('last-insert-id')) {
      this.#giveUp([]);
      return true;
    }
    const reply = this.#swallow(primary, undefined, ({ changes }) => {
      if (this.#kept.primary === primary && this.#run === undefined && this.session.mayGiveUpPrimary)
        this.#giveUp(changes);
    });
    primary.send(primary.frameQuery(TELL_INSERT_ID), 'result', 1, reply);
    return true;
  }

  #unhold(): void {
    this.#kept.primary?.pool?.unhold(this);
    this.#kept.previous?.pool?.unhold(this);
  }

  #giveUp(changes: readonly SessionChange[]): void {
    const { primary } = this.#kept;
    if (primary === undefined) return;
    this.session.givenUp(changes);
    primary.insertIdLeft = true;
    this.#kept.releasePrimary();
  }

  // ── KILL ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Interrupts the command under way, wherever it stands; resolves when it can hit nothing else any more. */
  async interrupt(): Promise<void> {
    if (this.#run === undefined || this.#settling) return;
    this.#interrupted = true;
    const connection = this.#connection;
    if (connection === undefined) this.#fail(interrupted());
    else await this.#killOn(connection, 'QUERY');
  }

  /** Ends what runs for the client on a server, with its thread there. To be called before {@link end}, whoever ends the client. */
  async kill(): Promise<void> {
    this.#killed = true;
    const connection = this.#connection;
    if (connection !== undefined) await this.#killOn(connection, 'CONNECTION');
  }

  /** A connection as the session's user, in none of its pools: to be closed. @param node the primary when absent */
  async openAside(node?: NodeAddress): Promise<ServerConnection> {
    const { primary, replicas, problem } = this.#cluster.snapshot();
    const on = node ?? (primary ?? replicas[0])?.address;
    if (on === undefined) throw new RwsplitError('no-primary', problem ?? 'no server can be reached');
    return this.#group.openAside(on);
  }

  /**
   * Kills what the command under way runs on a connection. Until that is through, the connection goes to no other session, and no
   * other command of this one is sent.
   */
  async #killOn(connection: ServerConnection, kind: KillKind): Promise<void> {
    const run = this.#run;
    connection.kills++;
    this.#kills++;
    try {
      const aside = await this.#group.openAside(connection.node);
      try {
        const runsThere = this.#connection === connection && this.#run === run && !connection.closed && !this.#settling;
        // Whatever it says: the statement is at its end, or the thread.
        if (runsThere) await aside.query(`KILL ${kind} ${connection.threadId}`);
      } finally {
        aside.close();
      }
    } finally {
      connection.kills--;
      this.#kills--;
      const waiting = this.#run;
      if (this.#kills === 0 && waiting !== undefined && waiting !== run && !this.#ended && !this.#killed) {
        this.#connect(waiting);
      }
    }
  }

  /** What was to interrupt the command has hit what was sent before it: the command itself is still to come. */
  #missed(connection: ServerConnection, { errno }: ErrPacket): void {
    if (!this.#interrupted || errno !== ER_QUERY_INTERRUPTED || this.#connection !== connection) return;
    this.#killOn(connection, 'QUERY').catch(() => {
      // The command comes to its end by itself.
    });
  }

  /** The client is gone. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#unhold();
    const running = this.#connection;
    this.#connection = undefined;
    const streams = this.#run?.shape === 'stream';
    if (running !== undefined && streams) this.#endStream(running);
    this.#kept.end(this.session, streams ? undefined : running);
  }

  /** A server that has nothing to send does not notice that nobody listens: its thread is ended by a KILL. */
  #endStream(connection: ServerConnection): void {
    this.#kept.forget(connection);
    connection.pause();
    const kill = async (): Promise<void> => {
      const aside = await this.#group.openAside(connection.node);
      try {
        if (!connection.closed) await aside.query(`KILL ${connection.threadId}`);
      } finally {
        aside.close();
      }
    };
    const discard = (): void => this.#kept.discard(connection);
    kill().then(discard, discard);
  }

  // ── connect ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #connect(run: CommandRun): void {
    if (this.#lost !== undefined) {
      this.#fail(this.#lost);
      this.#client.end();
      return;
    }
    if (this.session.previousLost && asksLost(run)) {
      const what =
        "its connection was needed by another client; ask right after the statement, or raise the pool's maximum";
      this.#fail(new RwsplitError('previous-lost', `what the previous statement left is gone: ${what}`));
      return;
    }
    if (this.#transaction !== undefined && !run.resets) {
      this.#connectInTransaction(this.#transaction, run);
      return;
    }
    this.#abandonTransaction();
    if (run.source !== undefined) {
      this.#connectToSource(run, run.source);
      return;
    }
    const { previous } = this.#kept;
    if (previous !== undefined && asksReplica(run)) {
      this.#start(previous, 'replica');
      return;
    }
    this.#kept.releasePrevious();
    if (run.route.to === 'replica') {
      this.#carryNextTransaction();
      if (!this.session.keepsPrimary) this.#kept.releasePrimary();
      const { primary, replicas } = this.#cluster.snapshot();
      const { node } = run.classification;
      if (node !== undefined && node === primary?.address.name) {
        this.#connectToPrimary();
        return;
      }
      // A node that is named and cannot be had is no reason to refuse a read.
      const named = replicas.find(({ address }) => address.name === node && !this.#failed.has(address.name));
      const replica = named ?? this.#cluster.nextReplica(this.#failed);
      if (replica !== undefined) {
        this.#acquire(replica, 'replica');
        return;
      }
    }
    this.#connectToPrimary();
  }

  /** A binary log is read on a connection of its own, and the session has none but that from then on. */
  #connectToSource(run: CommandRun, { node }: BinlogSource): void {
    const { replicas } = this.#cluster.snapshot();
    const named = replicas.find(({ address }) => address.name === node);
    const source = node === undefined ? this.#cluster.nextReplica(this.#failed) : named;
    const fromPrimary = (): void => {
      this.#run = { ...run, source: undefined, route: { to: 'primary', reason: run.classification.reason } };
      this.#connectToPrimary();
    };
    if (source === undefined) {
      fromPrimary();
      return;
    }
    this.#group.openAside(source.address).then(
      (connection) => {
        if (this.#ended || this.#run !== run) {
          connection.close();
          return;
        }
        const { primary } = this.#kept;
        if (primary !== undefined) this.#kept.discard(primary);
        this.#start(connection, 'replica');
      },
      () => {
        if (!this.#ended && this.#run === run) fromPrimary();
      },
    );
  }

  #connectInTransaction(transaction: ReplicaTransaction, run: CommandRun): void {
    const { transaction: connection } = this.#kept;
    if (run.route.to === 'transaction' && connection !== undefined) {
      this.#start(connection, 'replica');
    } else if (connection === undefined && transaction.hasRead) {
      // What it has read would not fit what it reads elsewhere.
      this.#abandonTransaction();
      const what = `the connection to ${transaction.node} with the read-only transaction is gone; begin it again`;
      this.#fail(new RwsplitError('transaction-lost', what));
    } else this.#connectToPrimary();
  }

  /** The read-only transaction on a replica is no longer the session's. */
  #abandonTransaction(): void {
    if (this.#transaction === undefined) return;
    this.#transaction = undefined;
    this.session.leftReplica(false);
    this.#leaveReplica();
  }

  #leaveReplica(): void {
    const { transaction } = this.#kept;
    if (transaction === undefined) return;
    rollBack(transaction);
    this.#kept.release(transaction);
  }

  /** What the next transaction is to be was told to the primary: it goes along to a replica, and the primary is to forget it. */
  #carryNextTransaction(): void {
    if (!this.session.pins.delete('next-transaction')) return;
    const { primary } = this.#kept;
    if (primary !== undefined) endTransaction(primary, 'COMMIT');
  }

  #connectToPrimary(): void {
    const { primary, problem } = this.#cluster.snapshot();
    if (primary === undefined) {
      this.#fail(new RwsplitError('no-primary', problem ?? 'no primary is known'));
      return;
    }
    const kept = this.#kept.primary;
    if (kept === undefined) {
      this.#acquire(primary, 'primary');
      return;
    }
    if (kept.node.name === primary.address.name) {
      this.#start(kept, 'primary');
      return;
    }
    // It is a primary no more: nothing is sent there.
    this.#kept.discard(kept);
    if (this.session.boundToPrimary) {
      this.#fail(sessionLost(kept, `the primary is ${primary.address.name} now`));
      this.#client.end();
    } else this.#acquire(primary, 'primary');
  }

  #acquire(node: Node, role: Role): void {
    const pool = this.#group.pool(node.address);
    const ready = pool.acquireReady(this.session.state);
    if (ready !== undefined) {
      this.#start(ready, role);
      return;
    }
    const run = this.#run;
    pool.acquire(this.session.state).then(
      (connection) => {
        if (this.#ended || this.#run !== run) this.#kept.release(connection);
        else this.#start(connection, role);
      },
      (error: unknown) => {
        if (this.#run === run) this.#notAcquired(node, role, error);
      },
    );
  }

  #notAcquired(node: Node, role: Role, error: unknown): void {
    if (this.#ended || this.#run === undefined) return;
    this.#failed.add(node.address.name);
    if (role === 'replica') this.#connect(this.#run);
    else this.#fail(error);
  }

  // ── start ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #start(connection: ServerConnection, role: Role): void {
    const run = this.#run;
    if (run === undefined) return;
    const used = run.statement;
    this.#connection = connection;
    this.#role = role;
    this.#restoreFailure = undefined;
    this.#stale = false;
    this.#relay.begin(connection, role === 'replica', used.kind === 'prepare' ? used.statement : undefined);

    if (used.kind === 'execute') noteTypes(run.message, used.statement, this.#queryAttributes);
    if (used.kind === 'execute' || used.kind === 'use') {
      this.#serverStatement = findPrepared(connection.prepared, used.statement);
      if (this.#serverStatement === undefined) {
        this.#prepare(connection, used.statement, run);
        return;
      }
    }
    const restored = this.#restore(connection, this.session.state);
    if (restored === 'unfit') {
      this.#replace(connection, run);
      return;
    }
    if (role === 'primary' && this.#transaction !== undefined) {
      this.#moveTransaction(connection, this.#transaction, run);
      return;
    }
    if (run.source !== undefined) {
      connection.cork();
      for (const command of run.source.commands) connection.send(command, 'ok', 1, this.#swallow(connection));
      this.#sendWhenRestored(connection, run);
      return;
    }
    // What only reads may travel with what restores the session's state: if that fails, its answer is dropped. A write has to wait.
    if (restored === 'same' || onlyReads(run, role)) this.#send(connection, run);
    else this.#sendWhenRestored(connection, run);
  }

  /** Opens the read-only transaction anew on the primary, and runs the statement when that has gone through. */
  #moveTransaction(connection: ServerConnection, transaction: ReplicaTransaction, run: CommandRun): void {
    connection.cork();
    for (const command of transaction.commands) connection.send(command, 'result', 1, this.#swallow(connection));
    this.#sendWhenRestored(connection, run, () => {
      this.#transaction = undefined;
      this.session.leftReplica(true);
      this.#leaveReplica();
    });
  }

  #send(connection: ServerConnection, run: CommandRun): void {
    this.#prepend(connection, run);
    if (this.#role === 'replica' && run.route.to === 'replica' && run.shape !== 'stream') {
      this.#awaitOwnWrites(connection);
    }
    this.#tellNextTransaction(connection);
    const { message, statement } = run;
    let framed = message.raw;
    const server = this.#serverStatement;
    if (statement.kind === 'execute' && server !== undefined) {
      framed = executeOn(message, statement.statement, server, this.#queryAttributes);
    } else if (statement.kind === 'use' && server !== undefined) {
      framed.writeUInt32LE(server.id, HEADER_BYTES + 1);
    }
    if (run.shape === 'none') {
      connection.sendSilently(framed);
      connection.uncork();
      this.#finish(connection);
      return;
    }
    connection.send(framed, run.shape, message.nextSequenceId, this.#relay);
    connection.uncork();
    if (run.shape === 'stream') this.#client.wantStream();
    this.#cluster.ran(connection.node.name, run);
  }

  /** @param then what to do first when all has gone through */
  #sendWhenRestored(connection: ServerConnection, run: CommandRun, then?: () => void): void {
    const reply = this.#swallow(connection, () => {
      if (this.#restoreFailure === undefined) {
        then?.();
        if (this.#interrupted) this.#finishRefused(connection, errPacketOf(interrupted()));
        else this.#send(connection, run);
      } else this.#finishFailed(connection, this.#restoreFailure);
    });
    connection.send(frameCommand(Command.PING, Buffer.alloc(0)), 'ok', 1, reply);
    connection.uncork();
  }

  /** Writes what brings the connection to `state`, without waiting for the answers. */
  #restore(connection: ServerConnection, state: SessionState): 'same' | 'restoring' | 'unfit' {
    if (connection.state === state) return 'same';
    if (connection.state.key === state.key) {
      // From now on the comparison above is enough.
      connection.state = state;
      return 'same';
    }
    const restore = restoreState(connection.state, state, connection.baseline);
    if (restore.kind === 'unfit') return 'unfit';
    connection.cork();
    if (restore.schema !== undefined) {
      const initDb = frameCommand(Command.INIT_DB, Buffer.from(restore.schema, 'utf8'));
      connection.send(initDb, 'ok', 1, this.#swallow(connection));
    }
    if (restore.set !== undefined) {
      connection.send(connection.frameQuery(restore.set), 'result', 1, this.#swallow(connection));
    }
    connection.state = state;
    return 'restoring';
  }

  /** Writes what makes the connection answer questions about earlier statements as if the session's own had run there. */
  #prepend(connection: ServerConnection, run: CommandRun): void {
    const { lastInsertId } = this.session;
    const restoresId = this.#role === 'primary' && lastInsertId !== undefined;
    const { reason } = run.classification;
    // After an error, what was asked to know the session better has made ROW_COUNT() 0.
    const spoilt =
      (reason === 'row-count' && this.session.rowCountIsUnset) ||
      (reason === 'found-rows' && !this.#kept.gaveRows(connection));
    const asIs = this.#kept.ranPrevious(connection) && !spoilt;
    // Whatever warnings another session left there are none of this one.
    const warned = countsOldWarnings(run) && !this.#kept.has(connection);
    const statements = warned ? [CLEAR] : asIs ? [] : prelude(reason, this.session);
    if (statements.length === 0 && !connection.insertIdLeft && !restoresId) return;
    connection.cork();
    const insertId = restoresId ? [setInsertId(lastInsertId)] : connection.insertIdLeft ? [setInsertId('0')] : [];
    for (const sql of [...insertId, ...statements]) {
      connection.send(connection.frameQuery(sql), 'result', 1, this.#swallow(connection));
    }
    connection.insertIdLeft = false;
    if (!restoresId) return;
    this.session.lastInsertId = undefined;
    this.session.holds.add('last-insert-id');
  }

  /** Writes what the client has told another connection of its next transaction. */
  #tellNextTransaction(connection: ServerConnection): void {
    const { nextTransaction, pins, inTransaction } = this.session;
    if (nextTransaction.commands.length === 0 || inTransaction || pins.has('next-transaction')) return;
    connection.cork();
    for (const command of nextTransaction.commands) connection.send(command, 'result', 1, this.#swallow(connection));
  }

  /** Writes what makes a replica wait until it has what the session wrote, unless it is known to have it. */
  #awaitOwnWrites(connection: ServerConnection): void {
    const { ownWrites } = this.session;
    const { name } = connection.node;
    if (this.#cluster.consistency === 'eventual' || ownWrites.isSeenBy(name)) return;
    const { commits } = ownWrites;
    const reply = new SwallowedReply(
      ({ error }) => {
        if (error === undefined) ownWrites.seenBy(name, commits);
        else {
          this.#stale = true;
          this.#relay.dropped = true;
          this.#missed(connection, error);
        }
      },
      (error) => this.connectionLost(connection, error),
    );
    connection.cork();
    connection.send(connection.frameQuery(awaitGtids(ownWrites.gtidSet, DEFAULTS.ownWritesWaitMs)), 'result', 1, reply);
  }

  /** Prepares a statement that this connection does not have yet, then starts over. */
  #prepare(connection: ServerConnection, statement: ClientStatement, run: CommandRun): void {
    if (this.#restore(connection, statement.state) === 'unfit') {
      this.#replace(connection, run);
      return;
    }
    const reply = new SwallowedReply(
      ({ error, prepared }) => {
        const failure = this.#restoreFailure;
        if (this.#connection !== connection) return;
        if (failure !== undefined) this.#finishFailed(connection, failure);
        else if (error !== undefined) this.#finishRefused(connection, error);
        else if (prepared !== undefined) {
          connection.addPrepared(keyOnServer(statement), prepared.statementId);
          if (this.#interrupted) this.#finishRefused(connection, errPacketOf(interrupted()));
          else this.#start(connection, this.#role);
        }
      },
      (error) => this.connectionLost(connection, error),
    );
    connection.send(frameCommand(Command.STMT_PREPARE, statement.sql), 'prepare', 1, reply);
    connection.uncork();
  }

  /** The connection cannot take the session's state: another one, at last a fresh one, can. */
  #replace(connection: ServerConnection, run: CommandRun): void {
    const fresh = connection.state.key === freshState('').key;
    this.#connection = undefined;
    this.#kept.discard(connection);
    if (!fresh) {
      this.#connect(run);
      return;
    }
    const what = 'the session has a variable whose value cannot be set on another connection';
    this.#fail(new RwsplitError('state-not-restored', what));
  }

  /**
   * Takes the reply to a command of ours; an error means that the connection is not in the session's state.
   * @param then called while the client's command is under way there; `always`, in any case
   */
  #swallow(
    connection: ServerConnection,
    then?: (swallowed: Swallowed) => void,
    always?: (swallowed: Swallowed) => void,
  ): SwallowedReply {
    return new SwallowedReply(
      (swallowed) => {
        const { error } = swallowed;
        if (error !== undefined) {
          const what = `the session's state could not be set on ${connection.node.name}: ${error.message} (${error.errno})`;
          this.#restoreFailure ??= new RwsplitError('state-not-restored', what);
          this.#relay.dropped = true;
          this.#missed(connection, error);
        }
        if (this.#connection === connection) then?.(swallowed);
        always?.(swallowed);
      },
      (error) => this.connectionLost(connection, error),
    );
  }

  // ── the answer has come: RelayEnd ───────────────────────────────────────────────────────────────────────────────────

  replyEnded(connection: ServerConnection): void {
    const run = this.#run;
    if (run === undefined) return;
    if (this.#restoreFailure !== undefined) {
      this.#finishFailed(connection, this.#restoreFailure);
      return;
    }
    if (run.source !== undefined) {
      this.#connection = undefined;
      this.#kept.discard(connection);
      this.#done();
      this.#client.end();
      return;
    }
    const { refusedAsWrite } = this.#relay;
    if (refusedAsWrite !== undefined || this.#stale) {
      if (refusedAsWrite !== undefined && !this.#interrupted) {
        this.#run = rerunOnPrimary(run, refusedAsWrite, connection.node.name, this.session, this.#cluster);
      }
      this.#connection = undefined;
      if (connection !== this.#kept.transaction) {
        if (run.route.reason === 'read-only-transaction') rollBack(connection);
        this.#kept.release(connection);
      }
      if (this.#interrupted) this.#fail(interrupted());
      else this.#connectToPrimary();
      return;
    }
    const { walker } = connection;
    const { changes } = this.#relay;
    const prepares = run.statement.kind === 'prepare';
    const gaveRows = walker.ok === undefined && walker.error === undefined && !prepares;
    if (gaveRows) this.#kept.noteRows(connection);
    if (this.#role === 'replica' && gaveRows && changes.length === 0 && run.route.to === 'replica' && !opens(run)) {
      this.session.readEnded(walker.rows);
      this.#finish(connection);
      return;
    }
    this.session.end({
      role: this.#role,
      // What is prepared has not run.
      classification: prepares ? { ...run.classification, pins: [], unpins: [] } : run.classification,
      status: walker.status,
      ok: walker.ok,
      insertsId: walker.insertsId,
      error: walker.error,
      warnings: walker.warnings,
      rows: walker.rows,
      changes,
      command: run.statement.kind === 'none' ? run.message.raw : undefined,
      text: this.session.wantsText(run.classification) ? textOf(run) : undefined,
    });
    if (changes.length > 0) connection.state = this.session.state;
    if (this.#role === 'replica') this.#noteTransaction(connection, run, gaveRows);
    const question =
      this.#role === 'primary' || opens(run) ? unsettled(run, connection, this.session, changes) : undefined;
    if (question === undefined) this.#finish(connection);
    else this.#settle(connection, run, question);
  }

  /** Keeps what it takes to open the read-only transaction again elsewhere. */
  #noteTransaction(connection: ServerConnection, run: CommandRun, gaveRows: boolean): void {
    const { session } = this;
    if (!session.inReplicaTransaction) {
      this.#transaction = undefined;
      return;
    }
    if (this.#transaction === undefined) {
      const opened = run.classification.transaction !== undefined;
      const commands = opened ? [...session.nextTransaction.commands, Buffer.from(run.message.raw)] : [];
      this.#transaction = new ReplicaTransaction(connection.node.name, commands);
    } else if (connection.walker.error === undefined) this.#transaction.ran(run);
    if (gaveRows) this.#transaction.hasRead = true;
  }

  connectionLost(connection: ServerConnection, error: RwsplitError): void {
    const run = this.#run;
    if (this.#connection !== connection || run === undefined) return;
    this.#connection = undefined;
    const bound = connection === this.#kept.primary && this.session.boundToPrimary;
    this.#kept.discard(connection);
    // Whoever kills a client ends its connection: as on a server, nothing more is said.
    if (this.#killed) return;
    const { forwarded } = this.#relay;
    const streams = run.shape === 'stream';
    if (!this.#interrupted && !streams && !bound && !forwarded && onlyReads(run, this.#role)) {
      // What only reads and has had no answer may be asked again, elsewhere.
      this.#failed.add(connection.node.name);
      this.#connect(run);
      return;
    }
    // In the middle of an answer an error cannot be told apart from data: the end of the connection can.
    if (!forwarded) this.#fail(error);
    if (bound || forwarded || streams) this.#client.end();
  }

  // ── settle, finish ──────────────────────────────────────────────────────────────────────────────────────────────────

  #settle(connection: ServerConnection, run: CommandRun, question: Question): void {
    this.#settling = true;
    if (run.resets && connection.walker.error === undefined) {
      connection.prepared.clear();
      connection.state = freshState(connection.state.schema);
      this.session.reset(connection.walker.status ?? 0);
      this.#relay.reset();
    }
    const reply = new SwallowedReply(
      ({ changes, status, error }) => {
        if (this.#connection !== connection) return;
        if (error?.errno === ER_QUERY_INTERRUPTED) {
          // A KILL that came too late for the statement has hit the question.
          this.#settle(connection, run, question);
          return;
        }
        this.session.learn(this.#role, changes, status);
        connection.state = this.session.state;
        if (this.#role === 'replica') this.#noteTransaction(connection, run, false);
        this.#finish(connection);
      },
      // The statement has had its answer: where it matters, the next one is told that the session is gone.
      () => {
        if (this.#connection !== connection) return;
        this.#connection = undefined;
        this.#kept.discard(connection);
        this.#loseState(connection);
        this.#done();
      },
    );
    connection.send(question.framed, question.shape, 1, reply);
  }

  #finish(connection: ServerConnection): void {
    this.#connection = undefined;
    const { warnings, error } = connection.walker;
    // What asks for them does not clear them.
    const asked = connection === this.#kept.previous && this.#run?.classification.reason === 'diagnostics';
    const replicaKeeps = warnings > 0 || error !== undefined || asked || this.session.inReplicaTransaction;
    const keeps = this.#role === 'replica' ? replicaKeeps : this.session.keepsPrimary;
    this.#kept.settle(connection, this.#place, keeps);
    const { pool } = connection;
    const mayGiveUp =
      keeps && (this.#place === 'previous' || (this.#role === 'primary' && this.session.mayGiveUpPrimary));
    if (mayGiveUp) pool?.hold(this);
    this.#done();
    if (mayGiveUp && pool?.awaited === true) this.giveUp(pool);
  }

  /** As what the connection of the command that ends is kept. */
  get #place(): 'primary' | 'previous' | 'transaction' {
    if (this.#role === 'primary') return 'primary';
    return this.session.inReplicaTransaction ? 'transaction' : 'previous';
  }

  /** The server refused what had to come before the statement: the client gets that answer. */
  #finishRefused(connection: ServerConnection, error: ErrPacket): void {
    const run = this.#run;
    if (run !== undefined) this.#client.writeError(error, run.message.nextSequenceId);
    if (!this.#kept.has(connection)) {
      this.#finish(connection);
      return;
    }
    this.#connection = undefined;
    this.#done();
  }

  /** The connection is not what it should be: it serves nobody any more. */
  #finishFailed(connection: ServerConnection, error: RwsplitError): void {
    const bound = connection === this.#kept.primary && this.session.boundToPrimary;
    this.#connection = undefined;
    this.#kept.discard(connection);
    this.#fail(this.#interrupted ? interrupted() : error);
    if (bound) this.#client.end();
  }

  /** Nothing was executed; the client is told why. */
  #fail(error: unknown): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#client.writeError(errPacketOf(error), run.message.nextSequenceId);
    this.#done();
  }

  #done(): void {
    this.#run?.onEnd?.();
    this.#run = undefined;
    this.#client.commandEnded();
  }

  /** The kept connection to the primary is gone: the next command learns it, if there was something to lose. */
  #loseState(connection: ServerConnection): void {
    if (this.session.boundToPrimary) this.#lost = sessionLost(connection, 'the server ended it');
    // After a stream a server ends the connection, and whoever read it waits for that.
    if (this.session.pins.has('replication')) this.#client.end();
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

/** Its OK counts the warnings of the statement before it, and does not end them. */
function countsOldWarnings({ message: { body, start } }: CommandRun): boolean {
  return COUNT_OLD_WARNINGS.has(body[start] ?? 0);
}

/** A replica refuses what writes. On the primary nothing but the class is to be relied on, and a hint may be mistaken. */
function onlyReads({ classification }: CommandRun, role: Role): boolean {
  return role === 'replica' || classification.reason === 'read';
}

/** Opens a read-only transaction on a replica where that goes through. */
function opens({ route }: CommandRun): boolean {
  return route.to === 'replica' && route.reason === 'read-only-transaction';
}

/** Ends the transaction that may be open on a connection, before anything else is sent there. */
function endTransaction(connection: ServerConnection, sql: 'COMMIT' | 'ROLLBACK'): void {
  const reply = new SwallowedReply(
    () => {},
    () => {},
  );
  connection.send(connection.frameQuery(sql), 'result', 1, reply);
}

function rollBack(connection: ServerConnection): void {
  endTransaction(connection, 'ROLLBACK');
}

function sessionLost(connection: ServerConnection, why: string): RwsplitError {
  const what = `the session's state was on a connection to ${connection.node.name} that is gone (${why}); connect again`;
  return new RwsplitError('session-lost', what);
}
