import type { Classification } from '../src/classify/classification.js';
import { errPacketOf, RwsplitError } from '../src/errors.js';
import { Capability, hasCapability } from '../src/protocol/capabilities.js';
import { Command } from '../src/protocol/commands.js';
import { HEADER_BYTES } from '../src/protocol/framing.js';
import { MalformedPacket } from '../src/protocol/malformed-packet.js';
import type { ErrPacket } from '../src/protocol/packets/err.js';
import type { OkPacket } from '../src/protocol/packets/ok.js';
import type { StmtPrepareOk } from '../src/protocol/packets/stmt-prepare-ok.js';
import type { ResponseShape } from '../src/protocol/response-walker.js';
import { decodeSessionChanges, encodeSessionChanges, type SessionChange } from '../src/protocol/session-changes.js';
import {
  frameCommand,
  TRACK_SESSION,
  type ReplyOwner,
  type ServerConnection,
} from '../src/runtime/server-connection.js';
import type { ServerStatement } from '../src/runtime/prepared-cache.js';
import { SwallowedReply, type Swallowed } from '../src/runtime/swallowed-reply.js';
import type { Session } from '../src/session/session.js';
import { freshState, restoreState, type SessionState } from '../src/session/session-state.js';
import { visibleChanges } from '../src/session/visible-changes.js';
import type { Node, Snapshot } from '../src/topology/snapshot.js';
import type { BackendGroup } from './backends.js';
import { closeStatement, statementCommand, type ClientStatement } from './client-statement.js';
import type { CommandRun } from './command-run.js';
import { executeOn, findPrepared, noteTypes } from './execute.js';
import { FORGET_INSERT_ID, prelude } from './prelude.js';

/** The client's side, as the runner needs it. */
export interface RunnerClient {
  readonly capabilities: number;
  /** @returns false when the client is slow to take it: `clientDrained` follows */
  write(bytes: Buffer): boolean;
  /** Written but not yet taken by the kernel. */
  readonly pendingBytes: number;
  writeError(error: ErrPacket, sequenceId: number): void;
  /** The command under way has had its answer. */
  commandEnded(): void;
  /** What the client sends now is its file, until it ends. */
  wantFile(): void;
  /** The session cannot go on: nothing more is sent after what has been. */
  end(): void;
  setReading(reading: boolean): void;
}

/** What the runner needs to know of the cluster. */
export interface Cluster {
  snapshot(): Snapshot;
  /** The replica whose turn it is, of those not in `except`. */
  nextReplica(except: ReadonlySet<string>): Node | undefined;
  /** A statement was sent. */
  ran(node: string, run: CommandRun): void;
}

/** A replica that is read-only refused the statement before it did anything. */
const REFUSED_AS_WRITE: ReadonlySet<number> = new Set([1290, 1792, 1836]);

const NO_EFFECTS = { pins: [], unpins: [] } as const;

/**
 * Runs a session's commands, one at a time, on the server connections that they belong on.
 *
 * ```
 *  run ──► connect ──► start ──► [restore the session's state] ──► [prepare] ──► send ──► relay ──► settle ──► finish
 *            │                        in one write with the statement where it only reads                       │
 *            └── kept: transaction, pins, holds ◄──────────── keep, or back to the pool ◄───────────────────────┘
 * ```
 */
export class SessionRunner implements ReplyOwner {
  readonly session: Session;
  readonly #group: BackendGroup;
  readonly #cluster: Cluster;
  readonly #client: RunnerClient;
  readonly #queryAttributes: boolean;

  /** The primary's connection that stays with the session between statements. */
  #primary: ServerConnection | undefined;
  /** The replica's connection of the previous statement, when there is something on it to ask for. */
  #previous: ServerConnection | undefined;

  /** The connection that ran the previous statement, while the session has it. */
  #last: ServerConnection | undefined;

  #run: CommandRun | undefined;
  #connection: ServerConnection | undefined;
  #role: 'primary' | 'replica' = 'primary';
  /** Nodes that failed this command. */
  readonly #failed = new Set<string>();
  /** The statement that is to run, as this connection has it. */
  #serverStatement: ServerStatement | undefined;
  #forwarded = false;
  #refusedAsWrite = false;
  #restoreFailure: RwsplitError | undefined;
  #changes: SessionChange[] = [];
  /** The trackers that the client itself has set. */
  readonly #trackersAskedFor = new Set<string>();
  /** Why the session cannot go on. */
  #lost: RwsplitError | undefined;
  #ended = false;

  constructor(session: Session, group: BackendGroup, cluster: Cluster, client: RunnerClient) {
    this.session = session;
    this.#group = group;
    this.#cluster = cluster;
    this.#client = client;
    this.#queryAttributes = hasCapability(client.capabilities, Capability.QUERY_ATTRIBUTES);
  }

  /** Whether commands that any server can answer have a connection of the session's own to go to. */
  get hasPrimary(): boolean {
    return this.#primary !== undefined;
  }

  run(run: CommandRun): void {
    this.#run = run;
    this.#forwarded = false;
    if (this.#failed.size > 0) this.#failed.clear();
    this.session.begin(run.route.to === 'previous');
    this.#connect(run);
  }

  /** The client has closed a statement. @param bound the kept connection has something of it that is to go now */
  forget(statement: ClientStatement, bound: boolean): void {
    const server = bound ? this.#primary?.prepared.get(statement.serverKey) : undefined;
    // Elsewhere it stays for the next client with the same text, until others need its place.
    if (server === undefined || this.#primary === undefined) return;
    this.#primary.send(statementCommand(Command.STMT_RESET, server.id), 'ok', 1, this.#swallow(this.#primary));
  }

  /** A part of the client's file. @param ends it was the last, empty one */
  sendFile(raw: Buffer, ends: boolean, nextSequenceId: number): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (!connection.sendSilently(raw)) this.#client.setReading(false);
    if (ends) connection.fileSent(nextSequenceId);
  }

  clientDrained(): void {
    this.#connection?.resume();
  }

  /** The client is gone. What its session left on connections must reach nobody else. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const running = this.#connection;
    this.#connection = undefined;
    if (this.#previous !== undefined && this.#previous !== running) this.#release(this.#previous);
    if (this.#primary !== undefined && this.#primary !== running) {
      if (this.session.inTransaction || this.session.pins.size > 0 || this.session.holds.has('procedure-call')) {
        this.#discard(this.#primary);
      } else {
        this.#primary.insertIdLeft = this.session.holds.has('last-insert-id');
        this.#release(this.#primary);
      }
    }
    if (running !== undefined) this.#discard(running);
    this.#previous = undefined;
    this.#primary = undefined;
  }

  // ── connect ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #connect(run: CommandRun): void {
    if (this.#lost !== undefined) {
      this.#fail(this.#lost);
      this.#client.end();
      return;
    }
    if (run.route.to === 'previous' && this.#previous !== undefined) {
      this.#start(this.#previous, 'replica');
      return;
    }
    if (this.#previous !== undefined) {
      this.#release(this.#previous);
      this.#previous = undefined;
    }
    if (run.route.to === 'replica') {
      if (this.#primary !== undefined && !this.session.keepsPrimary) {
        this.#release(this.#primary);
        this.#primary = undefined;
      }
      const replica = this.#cluster.nextReplica(this.#failed);
      if (replica !== undefined) {
        this.#acquire(replica, 'replica');
        return;
      }
    }
    this.#connectToPrimary();
  }

  #connectToPrimary(): void {
    const { primary, problem } = this.#cluster.snapshot();
    if (primary === undefined) {
      this.#fail(new RwsplitError('no-primary', problem ?? 'no primary is known'));
      return;
    }
    if (this.#primary !== undefined) {
      if (this.#primary.node.name === primary.address.name) {
        this.#start(this.#primary, 'primary');
        return;
      }
      // It is a primary no more: nothing is sent there.
      const bound = this.session.boundToPrimary;
      this.#discard(this.#primary);
      this.#primary = undefined;
      if (bound) {
        this.#loseSession('the primary changed');
        return;
      }
    }
    this.#acquire(primary, 'primary');
  }

  #acquire(node: Node, role: 'primary' | 'replica'): void {
    const pool = this.#group.pool(node.address);
    const ready = pool.acquireReady();
    if (ready !== undefined) {
      this.#start(ready, role);
      return;
    }
    pool.acquire().then(
      (connection) => this.#acquired(connection, role),
      (error: unknown) => this.#notAcquired(node, role, error),
    );
  }

  #acquired(connection: ServerConnection, role: 'primary' | 'replica'): void {
    if (this.#ended) {
      this.#release(connection);
      return;
    }
    this.#start(connection, role);
  }

  #notAcquired(node: Node, role: 'primary' | 'replica', error: unknown): void {
    if (this.#ended || this.#run === undefined) return;
    this.#failed.add(node.address.name);
    if (role === 'replica') this.#connect(this.#run);
    else this.#fail(error);
  }

  // ── start ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #start(connection: ServerConnection, role: 'primary' | 'replica'): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#connection = connection;
    this.#role = role;
    this.#refusedAsWrite = false;
    this.#restoreFailure = undefined;
    if (this.#changes.length > 0) this.#changes = [];

    const used = run.statement;
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
    this.#prepend(connection, run);
    if (restored === 'same') {
      this.#send(connection, run);
      return;
    }
    // A read may travel with what restores the session's state: if that fails, its answer is dropped. A write has to wait.
    if (run.classification.target === 'replica') this.#send(connection, run);
    else {
      connection.send(
        frameCommand(Command.PING, Buffer.alloc(0)),
        'ok',
        1,
        this.#swallow(connection, () => {
          if (this.#restoreFailure === undefined) this.#send(connection, run);
          else this.#finishFailed(connection, this.#restoreFailure);
        }),
      );
      connection.uncork();
    }
  }

  #send(connection: ServerConnection, run: CommandRun): void {
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
    connection.send(framed, run.shape, message.nextSequenceId, this);
    connection.uncork();
    this.#cluster.ran(connection.node.name, run);
  }

  /** Writes what makes the connection answer questions about earlier statements as if the session's own had run there. */
  #prepend(connection: ServerConnection, run: CommandRun): void {
    const statements = connection === this.#last ? [] : prelude(run.classification.reason, this.session);
    if (statements.length === 0 && !connection.insertIdLeft) return;
    connection.cork();
    for (const sql of connection.insertIdLeft ? [FORGET_INSERT_ID, ...statements] : statements) {
      connection.send(connection.frameQuery(sql), 'result', 1, this.#swallow(connection));
    }
    connection.insertIdLeft = false;
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
      const set = connection.frameQuery(restore.set);
      connection.send(set, 'result', 1, this.#swallow(connection));
    }
    connection.state = state;
    return 'restoring';
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
          this.#addPrepared(connection, statement.serverKey, prepared.statementId);
          this.#start(connection, this.#role);
        }
      },
      (error) => this.connectionLost(connection, error),
    );
    connection.send(frameCommand(Command.STMT_PREPARE, statement.sql), 'prepare', 1, reply);
    connection.uncork();
  }

  #addPrepared(connection: ServerConnection, key: string, id: number): void {
    for (const closed of connection.prepared.add(key, { id, boundTypes: undefined })) {
      connection.sendSilently(closeStatement(closed.id));
    }
  }

  /** The connection cannot take the session's state: another one, at last a fresh one, can. */
  #replace(connection: ServerConnection, run: CommandRun): void {
    const fresh = connection.state.key === freshState('').key;
    this.#connection = undefined;
    this.#discard(connection);
    if (connection === this.#primary) this.#primary = undefined;
    if (connection === this.#previous) this.#previous = undefined;
    if (fresh) {
      this.#fail(
        new RwsplitError(
          'state-not-restored',
          'the session has a variable whose value cannot be set on another connection',
        ),
      );
    } else this.#connect(run);
  }

  #swallow(connection: ServerConnection, then?: (swallowed: Swallowed) => void): SwallowedReply {
    return new SwallowedReply(
      (swallowed) => {
        if (swallowed.error !== undefined) {
          const { name } = connection.node;
          this.#restoreFailure ??= new RwsplitError(
            'state-not-restored',
            `the session's state could not be set on ${name}: ${swallowed.error.message} (${swallowed.error.errno})`,
          );
        }
        if (this.#connection === connection) then?.(swallowed);
      },
      (error) => this.connectionLost(connection, error),
    );
  }

  // ── relay: ReplyOwner ───────────────────────────────────────────────────────────────────────────────────────────────

  forward(chunk: Buffer, start: number, end: number): void {
    if (this.#restoreFailure !== undefined) return;
    this.#forwarded = true;
    const flows = this.#client.write(chunk.subarray(start, end));
    // Nearly always the kernel has taken it all by now; else the next bytes must not be read over these.
    if (this.#client.pendingBytes > 0) this.#connection?.keepBuffer();
    if (!flows) this.#connection?.pause();
  }

  rewriteOk(ok: OkPacket): OkPacket {
    const changes = decodeSessionChanges(ok.sessionChanges);
    if (changes instanceof MalformedPacket) return ok;
    this.#changes.push(...changes);
    for (const change of changes) {
      if (change.kind !== 'system-variable' || !change.name.startsWith('session_track_')) continue;
      this.#trackersAskedFor.add(change.name);
    }
    const visible = hasCapability(this.#client.capabilities, Capability.SESSION_TRACK)
      ? visibleChanges(changes, this.#trackersAskedFor)
      : [];
    return { ...ok, sessionChanges: encodeSessionChanges(visible) };
  }

  rewritePrepareOk(prepared: StmtPrepareOk): number {
    const used = this.#run?.statement;
    const connection = this.#connection;
    if (used?.kind !== 'prepare' || connection === undefined) return prepared.statementId;
    used.statement.params = prepared.params;
    this.#addPrepared(connection, used.statement.key, prepared.statementId);
    return used.statement.id;
  }

  forwardErr(error: ErrPacket): boolean {
    if (this.#role === 'replica' && !this.#forwarded && REFUSED_AS_WRITE.has(error.errno)) {
      this.#refusedAsWrite = true;
      return false;
    }
    return this.#restoreFailure === undefined;
  }

  fileWanted(): void {
    this.#client.wantFile();
  }

  drained(): void {
    this.#client.setReading(true);
  }

  replyEnded(connection: ServerConnection): void {
    const run = this.#run;
    if (run === undefined) return;
    if (this.#restoreFailure !== undefined) {
      this.#finishFailed(connection, this.#restoreFailure);
      return;
    }
    if (this.#refusedAsWrite) {
      this.#connection = undefined;
      if (connection === this.#previous) this.#previous = undefined;
      this.#release(connection);
      this.#connectToPrimary();
      return;
    }
    const { walker } = connection;
    const prepares = run.statement.kind === 'prepare';
    const plain = this.#role === 'replica' && this.#changes.length === 0 && walker.error === undefined;
    if (plain && !prepares) {
      this.session.readEnded(walker.rows);
      this.#finish(connection);
      return;
    }
    this.session.end({
      role: this.#role,
      classification: prepares ? { ...run.classification, ...NO_EFFECTS } : run.classification,
      status: walker.status,
      ok: walker.ok,
      insertsId: walker.insertsId,
      error: walker.error,
      warnings: walker.warnings,
      rows: walker.rows,
      changes: this.#changes,
    });
    if (this.#changes.length > 0) connection.state = this.session.state;
    const question = this.#unsettled(run, connection);
    if (question === undefined) this.#finish(connection);
    else this.#settle(connection, question);
  }

  connectionLost(connection: ServerConnection, error: RwsplitError): void {
    const run = this.#run;
    if (this.#connection !== connection || run === undefined) return;
    this.#connection = undefined;
    const bound = connection === this.#primary && this.session.boundToPrimary;
    if (connection === this.#primary) this.#primary = undefined;
    if (connection === this.#previous) this.#previous = undefined;
    this.#discard(connection);
    if (!bound && !this.#forwarded && run.classification.target === 'replica') {
      // A read that has had no answer may be asked again, elsewhere.
      this.#failed.add(connection.node.name);
      this.#connect(run);
      return;
    }
    // In the middle of an answer an error cannot be told apart from data: the end of the connection can.
    if (!this.#forwarded) this.#fail(error);
    if (bound || this.#forwarded) this.#client.end();
  }

  // ── settle, finish ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** What has to be asked before it is known what the session is in. */
  #unsettled(run: CommandRun, connection: ServerConnection): { framed: Buffer; shape: ResponseShape } | undefined {
    const { error } = connection.walker;
    if (run.resets && error === undefined) {
      connection.prepared.clear();
      connection.state = freshState(connection.state.schema);
      this.session.reset(connection.walker.status ?? 0);
      this.#trackersAskedFor.clear();
      return { framed: connection.frameQuery(TRACK_SESSION), shape: 'result' };
    }
    if (this.#role === 'replica') return undefined;
    if (error !== undefined && !this.session.inTransaction && mayOpenTransaction(run.classification)) {
      // An error does not tell whether a transaction is open; any OK does.
      return { framed: frameCommand(Command.PING, Buffer.alloc(0)), shape: 'ok' };
    }
    if (this.#changes.some((it) => it.kind === 'system-variable' && it.name === 'character_set_connection')) {
      // SET NAMES … COLLATE changes the collation too, and the server does not tell.
      const ask = 'SET collation_connection=@@collation_connection';
      return { framed: connection.frameQuery(ask), shape: 'result' };
    }
    return undefined;
  }

  #settle(connection: ServerConnection, question: { framed: Buffer; shape: ResponseShape }): void {
    const reply = new SwallowedReply(
      ({ changes, status }) => {
        if (this.#connection !== connection) return;
        this.session.learn(changes, status);
        connection.state = this.session.state;
        this.#finish(connection);
      },
      // The statement has had its answer: nothing is left to be told but, where it matters, that the session is gone.
      () => {
        if (this.#connection !== connection) return;
        this.#discard(connection);
        if (connection === this.#primary) this.#primary = undefined;
        this.#connection = undefined;
        if (this.session.boundToPrimary) this.#lost = lostSession(connection.node.name, 'it closed the connection');
        this.#done();
      },
    );
    connection.send(question.framed, question.shape, 1, reply);
  }

  #finish(connection: ServerConnection): void {
    this.#connection = undefined;
    const replica = this.#role === 'replica';
    const { warnings, error } = connection.walker;
    // What asks for them does not clear them.
    const asked = connection === this.#previous && this.#run?.classification.reason === 'diagnostics';
    const keeps = replica ? warnings > 0 || error !== undefined || asked : this.session.keepsPrimary;
    this.#last = keeps ? connection : undefined;
    if (replica) this.#previous = this.#last;
    else this.#primary = this.#last;
    if (keeps) connection.onClosed = this.#onClosedWhileIdle;
    else this.#release(connection);
    this.#done();
  }

  /** The server refused what had to come before the statement: the client gets that answer. */
  #finishRefused(connection: ServerConnection, error: ErrPacket): void {
    const run = this.#run;
    if (run !== undefined) this.#client.writeError(error, run.message.nextSequenceId);
    if (connection === this.#primary || connection === this.#previous) {
      this.#connection = undefined;
      this.#done();
    } else this.#finish(connection);
  }

  /** The connection is not what it should be: it serves nobody any more. */
  #finishFailed(connection: ServerConnection, error: RwsplitError): void {
    const bound = connection === this.#primary && this.session.boundToPrimary;
    this.#connection = undefined;
    this.#discard(connection);
    if (connection === this.#primary) this.#primary = undefined;
    if (connection === this.#previous) this.#previous = undefined;
    this.#fail(error);
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
    this.#run = undefined;
    this.#client.commandEnded();
  }

  #loseSession(why: string): void {
    this.#fail(lostSession(this.#cluster.snapshot().primary?.address.name ?? 'the primary', why));
    this.#client.end();
  }

  readonly #onClosedWhileIdle = (connection: ServerConnection): void => {
    if (connection === this.#connection || this.#ended) return;
    if (connection === this.#previous) {
      this.#previous = undefined;
      this.#discard(connection);
    }
    if (connection === this.#primary) {
      this.#primary = undefined;
      this.#discard(connection);
      if (this.session.boundToPrimary) this.#lost = lostSession(connection.node.name, 'it closed the connection');
    }
  };

  #release(connection: ServerConnection): void {
    connection.onClosed = undefined;
    connection.pool?.release(connection);
  }

  #discard(connection: ServerConnection): void {
    connection.onClosed = undefined;
    connection.destroy();
    connection.pool?.destroy(connection);
  }
}

function mayOpenTransaction(classification: Classification): boolean {
  return classification.target !== 'replica';
}

function lostSession(node: string, why: string): RwsplitError {
  return new RwsplitError(
    'session-lost',
    `the session's state was on a connection to ${node} that is gone (${why}); connect again`,
  );
}
