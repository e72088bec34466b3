import type { ErrPacket } from '../../src/protocol/packets/err.js';
import type { Route } from '../../src/routing/route.js';
import type { PrimaryReads } from '../../src/runtime/primary-reads.js';
import type { NodeLoads } from '../../src/topology/balance/node-loads.js';
import type { WriteHold } from '../../src/runtime/write-hold.js';
import type { Commits } from '../../src/session/commits.js';
import type { KnownPositions } from '../../src/session/known-positions.js';
import type { Session } from '../../src/session/session.js';
import type { WaitCounts } from '../../src/session/wait-counts.js';
import type { ReadWish } from '../../src/topology/read-balance.js';
import type { Node, Snapshot } from '../../src/topology/snapshot.js';
import type { BackendGroup } from '../backends.js';
import type { CommandRun } from '../command-run.js';
import type { KeptConnections } from './kept-connections.js';
import type { Recording } from '../replay/recording.js';
import type { ReplayOutcome } from '../replay/replaying.js';
import type { ReplaySettings } from '../replay/replay-settings.js';
import type { Relay, RelayClient, RelayEnd } from './relay.js';
import type { RunState } from './run-state.js';

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
  /** What all sessions have committed. */
  readonly committed: Commits;
  readonly positions: KnownPositions;
  readonly waits: WaitCounts;
  /** How long a read waits for a replica, before it goes to the primary. */
  readonly consistencyWaitMs: number;
  snapshot(): Snapshot;
  /** What runs on each node, where somebody looks at it. */
  readonly loads: NodeLoads | undefined;
  /** Reads that go to the primary because no replica can take them. */
  readonly primaryReads: PrimaryReads;
  /** Statements that wait for a primary. */
  readonly writes: WriteHold;
  /** How transactions that were lost with the primary are run again; not at all when absent. */
  readonly replay: ReplaySettings | undefined;
  /** A lost transaction was run again on a node, or could not be. */
  replayed(node: string, outcome: ReplayOutcome, commands: number): void;
  /** The replica whose turn it is, of those that may have the read. @returns undefined for the primary */
  nextReplica(wish: ReadWish): Node | undefined;
  /** A connection ended while a statement ran there. */
  lost(node: string, why: string): void;
  /** What the primary has now, by a question that begins after the call; undefined where it does not answer. */
  askPrimary(): Promise<Node | undefined>;
  /** A statement was sent. @param route that it took in the end */
  ran(node: string, run: CommandRun, route: Route): void;
  /** A replica refused a statement as a write. @param ofStatement it would refuse it from any session */
  refused(node: string, run: CommandRun, error: ErrPacket, ofStatement: boolean): void;
}

/** What all parts of a session's runner share: nothing else goes from one to another but by calls. */
export interface RunnerContext {
  readonly session: Session;
  readonly group: BackendGroup;
  readonly cluster: Cluster;
  readonly client: RunnerClient;
  readonly state: RunState;
  readonly kept: KeptConnections;
  readonly relay: Relay;
  /** Where lost transactions are run again. */
  readonly recording: Recording | undefined;
  /** Who is told when a connection is lost before it has answered what is ours. */
  readonly end: RelayEnd;
}
