import { errPacketOf, RwsplitError } from '../../src/errors.js';
import type { ErrPacket } from '../../src/protocol/packets/err.js';
import type { Route } from '../../src/routing/route.js';
import type { ServerConnection } from '../../src/runtime/server-connection.js';
import type { NodeLoads } from '../../src/topology/balance/node-loads.js';
import type { PrimaryReads } from '../../src/runtime/primary-reads.js';
import type { Waits } from '../../src/session/freshness.js';
import type { KnownPosition } from '../../src/session/known-positions.js';
import type { CommandRun, Role } from '../command-run.js';
import type { RunnerClient } from './runner-context.js';

/**
 * Whether commands may begin:
 *
 * ```
 *  open ──► killed: the client's connection is to end ──► ended: the client is gone
 *    └──────────────────────────────────────────────────────▲
 * ```
 */
export type Life = 'open' | 'killed' | 'ended';

/**
 * How far the command under way is:
 *
 * ```
 *  running ──► interrupted: a KILL has asked for its end
 *     └──────────────┴────► settling: it has had its answer; what is still asked is ours
 * ```
 */
export type Stage = 'running' | 'interrupted' | 'settling';

/** Where a session is with its commands: the one that is under way, and whether there may be another. */
export class RunState {
  life: Life = 'open';
  /** Why the session cannot go on: the next command is told. */
  lost: RwsplitError | undefined;
  /** The command under way. */
  run: CommandRun | undefined;
  stage: Stage = 'running';
  /** Where it runs, and as what; there is none while there is no command. */
  connection: ServerConnection | undefined;
  role: Role = 'primary';
  /** Where that really goes, and why: not to a replica where none can take it. */
  route: Route = { to: 'primary', reason: 'write' };
  /** What the replica that was found for the read is known to have. */
  position: KnownPosition | undefined;
  /** What that replica is to have before it answers. */
  waits: Waits | undefined;
  /** It was sent to a server: whether it was executed depends on the answer. */
  wasSent = false;
  /** When it began to wait for a primary; undefined where it has not had to. */
  heldSinceMs: number | undefined;
  /** The node with which an open transaction was lost, between two commands: the next one is told. */
  transactionLostOn: string | undefined;
  /** How often it has lost its server. */
  losses = 0;
  /** Nodes that failed it. */
  readonly failed = new Set<string>();
  readonly #client: RunnerClient;
  readonly #loads: NodeLoads | undefined;
  readonly #primaryReads: PrimaryReads;
  #readsOnPrimary = false;
  #loaded: { readonly node: string; readonly beganAtMs: number } | undefined;

  /** @param loads where it is counted what runs on nodes */
  constructor(client: RunnerClient, loads: NodeLoads | undefined, primaryReads: PrimaryReads) {
    this.#client = client;
    this.#loads = loads;
    this.#primaryReads = primaryReads;
  }

  begin(run: CommandRun): void {
    this.run = run;
    this.route = run.route;
    this.stage = 'running';
    this.wasSent = false;
    this.heldSinceMs = undefined;
    this.position = undefined;
    this.waits = undefined;
    this.losses = 0;
    if (this.failed.size > 0) this.failed.clear();
  }

  /** The command was sent to a node. */
  sent(node: string): void {
    this.wasSent = true;
    if (this.#loads === undefined) return;
    this.#endLoad();
    this.#loaded = { node, beganAtMs: this.#loads.began(node) };
  }

  /** The read under way goes to the primary, as no replica can take it. @param go called when there is room */
  readOnPrimary(go: () => void): void {
    const { run } = this;
    if (this.#readsOnPrimary) {
      go();
      return;
    }
    this.#primaryReads.take(
      () => {
        if (this.run !== run || this.life === 'ended') {
          this.#primaryReads.free();
          return;
        }
        this.#readsOnPrimary = true;
        go();
      },
      (why) => {
        const what = `${why}; bring a replica back, or raise balance.primary_reads_max`;
        if (this.run === run) this.fail(new RwsplitError('primary-busy', what));
      },
    );
  }

  /** Nothing is under way any more that others have to wait for. */
  leave(): void {
    if (this.#loaded !== undefined) this.#endLoad();
    if (!this.#readsOnPrimary) return;
    this.#readsOnPrimary = false;
    this.#primaryReads.free();
  }

  /** Nothing was executed; the client is told why. */
  fail(error: unknown): void {
    if (this.run === undefined) return;
    this.writeError(errPacketOf(error));
    this.done();
  }

  /** Answers the command with an error; it is still under way. */
  writeError(error: ErrPacket): void {
    if (this.run !== undefined) this.#client.writeError(error, this.run.message.nextSequenceId);
  }

  /** The command is over. What the client has sent ahead may begin before this returns. */
  done(): void {
    this.leave();
    this.run?.onEnd?.();
    this.run = undefined;
    this.#client.commandEnded();
  }

  #endLoad(): void {
    if (this.#loaded !== undefined) this.#loads?.ended(this.#loaded.node, this.#loaded.beganAtMs);
    this.#loaded = undefined;
  }
}

export function sessionLost(connection: ServerConnection, why: string): RwsplitError {
  const what = `the session's state was on a connection to ${connection.node.name} that is gone (${why}); connect again`;
  return new RwsplitError('session-lost', what);
}

/** Nothing of it was committed: as after a deadlock, the application may run the whole transaction again. */
export function transactionLost(node: string, why = ''): RwsplitError {
  const because = why === '' ? '' : `, and ${why}`;
  const what = `the open transaction was lost with its connection to ${node}${because}; nothing of it was committed: run it again`;
  return new RwsplitError('transaction-lost', what);
}
