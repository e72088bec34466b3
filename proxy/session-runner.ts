import { RwsplitError } from '../src/errors.js';
import { Command } from '../src/protocol/commands.js';
import type { ServerConnection } from '../src/runtime/server-connection.js';
import type { Session } from '../src/session/session.js';
import type { NodeAddress } from '../src/topology/snapshot.js';
import type { BackendGroup } from './backends.js';
import { keyOnServer, statementCommand, type ClientStatement } from './client-statement.js';
import type { CommandRun } from './command-run.js';
import { Recording } from './replay/recording.js';
import { Answering } from './run/answering.js';
import { Connecting } from './run/connecting.js';
import { Finishing } from './run/finishing.js';
import { GivingUp } from './run/giving-up.js';
import { KeptConnections } from './run/kept-connections.js';
import { KeptTransaction } from './run/kept-transaction.js';
import { Kills } from './run/kills.js';
import { Preparation } from './run/preparation.js';
import { Relay, type RelayEnd } from './run/relay.js';
import { RunState } from './run/run-state.js';
import { statusOf, type RunnerStatus } from './run/runner-status.js';
import type { Cluster, RunnerClient, RunnerContext } from './run/runner-context.js';
import { Starting } from './run/starting.js';

/**
 * Runs a session's commands, one at a time, on the server connections that they belong on: a shell over the parts in `proxy/run/`.
 *
 * ```
 *  run ──► connecting ──► starting: [prepare] ──► [preparation] ──► send ──► relay ──► answering: [settle] ──► finishing
 *             ▲ ▲             │                  in one write with what only reads          │                      │
 *             │ └─────────────┴── elsewhere: unfit, did nothing, or only read ◄─────────────┘                      │
 *             └── kept: transaction, pins, holds ◄──────────────────────────────── keep, or back to the pool ◄─────┘
 * ```
 */
export class SessionRunner implements RelayEnd {
  readonly session: Session;
  readonly #context: RunnerContext;
  readonly #kills: Kills;
  readonly #preparation: Preparation;
  readonly #givingUp: GivingUp;
  readonly #connecting: Connecting;
  readonly #answering: Answering;

  constructor(session: Session, group: BackendGroup, cluster: Cluster, client: RunnerClient) {
    this.session = session;
    const state = new RunState(client, cluster.loads, cluster.primaryReads);
    const kept = new KeptConnections((connection) => finishing.primaryLost(connection));
    const relay = new Relay(client, this);
    const { replay } = cluster;
    const recording = replay === undefined ? undefined : new Recording(replay, session, state, relay);
    const context = { session, group, cluster, client, state, kept, relay, recording, end: this };
    const connect = (run: CommandRun): void => this.#connecting.connect(run);
    this.#context = context;
    this.#kills = new Kills(context, connect);
    this.#preparation = new Preparation(context, this.#kills);
    this.#givingUp = new GivingUp(context, this.#kills, this.#preparation);
    const transaction = new KeptTransaction(context);
    const finishing = new Finishing(context, this.#givingUp, connect);
    const starting = new Starting(context, this.#preparation, transaction, finishing, connect);
    this.#connecting = new Connecting(context, transaction, starting);
    this.#answering = new Answering(context, this.#preparation, transaction, this.#connecting, finishing);
  }

  /** Whether commands that any server can answer have a connection of the session's own to go to. */
  get keepsConnection(): boolean {
    const { primary, transaction } = this.#context.kept;
    return primary !== undefined || transaction !== undefined;
  }

  /** Whether something is under way on the primary that would be lost if that were another node now: reads can be asked again. */
  get isAtWork(): boolean {
    const { state, kept, recording } = this.#context;
    if (kept.primary !== undefined && this.session.mustGoOn) return true;
    if (recording?.lost !== undefined && state.connection !== undefined) return true;
    return state.role === 'primary' && state.connection !== undefined && state.run?.classification.reason !== 'read';
  }

  get status(): RunnerStatus {
    return statusOf(this.#context.state, this.#context.kept);
  }

  run(run: CommandRun): void {
    const { state } = this.#context;
    if (state.life !== 'open') return;
    state.begin(run);
    this.#givingUp.stop();
    this.session.begin(run.route.to === 'previous');
    // What was to interrupt the statement before must not hit this one.
    if (!this.#kills.areUnderWay) this.#connecting.connect(run);
  }

  /** A SET is about to run. Which trackers the client sets with it, the server does not always tell. */
  noteTrackers(sql: string): void {
    for (const [name] of sql.matchAll(/session_track_\w+/gi)) this.#context.relay.askedFor(name.toLowerCase());
  }

  /** The client has closed a statement: what the kept connection has of it, long data or a cursor, is to go now. */
  forget(statement: ClientStatement): void {
    // Elsewhere it stays for the next client with the same text, until others need its place.
    const { primary } = this.#context.kept;
    const server = statement.bound ? primary?.prepared.get(keyOnServer(statement)) : undefined;
    if (server === undefined || primary === undefined) return;
    primary.send(statementCommand(Command.STMT_RESET, server.id), 'ok', 1, this.#preparation.swallow(primary));
  }

  /** A part of the client's file. @param ends it was the last, empty one */
  sendFile(raw: Buffer, ends: boolean, nextSequenceId: number): void {
    const { state, client } = this.#context;
    const { connection } = state;
    if (connection === undefined) return;
    if (!connection.sendFile(raw)) client.setReading(false);
    if (ends) connection.fileSent(nextSequenceId);
  }

  /** A packet of the client while a stream comes down: a replica says what it has received. */
  sendUp(raw: Buffer): void {
    const { state, client } = this.#context;
    if (state.connection?.sendSilently(raw) === false) client.setReading(false);
  }

  clientDrained(): void {
    this.#context.relay.clientDrained();
  }

  /** Interrupts the command under way, wherever it stands; resolves when it can hit nothing else any more. */
  async interrupt(): Promise<void> {
    return this.#kills.interrupt();
  }

  /** Ends what runs for the client on a server, with its thread there. To be called before {@link end}, whoever ends the client. */
  async kill(): Promise<void> {
    return this.#kills.killSession();
  }

  /** A connection as the session's user, in none of its pools: to be closed. @param node the primary when absent */
  async openAside(node?: NodeAddress): Promise<ServerConnection> {
    const { cluster, group } = this.#context;
    const { primary, replicas, problem } = cluster.snapshot();
    const on = node ?? (primary ?? replicas[0])?.address;
    if (on === undefined) throw new RwsplitError('no-primary', problem ?? 'no server can be reached');
    return group.openAside(on);
  }

  /** The client is gone. */
  end(): void {
    const { state, kept, recording } = this.#context;
    if (state.life === 'ended') return;
    state.life = 'ended';
    this.#givingUp.stop();
    const running = state.connection;
    state.connection = undefined;
    recording?.end();
    state.leave();
    const streams = state.run?.shape === 'stream';
    if (running !== undefined && streams) this.#kills.endStream(running);
    kept.end(this.session, streams ? undefined : running);
  }

  // ── RelayEnd ────────────────────────────────────────────────────────────────────────────────────────────────────────

  replyEnded(connection: ServerConnection): void {
    this.#answering.replyEnded(connection);
  }

  connectionLost(connection: ServerConnection, error: RwsplitError): void {
    this.#answering.connectionLost(connection, error);
  }
}
