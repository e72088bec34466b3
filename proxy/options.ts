import type { CompressionAlgorithm } from '../src/protocol/compression/codec.js';
import type { TlsMode, TlsVersion } from '../src/protocol/tls-mode.js';
import type { Rule } from '../src/routing/rules.js';
import type { CoordinatorSettings } from '../src/runtime/coordinator/coordinator-of.js';
import type { FailoverOptions } from '../src/runtime/failover/open-supervisor.js';
import type { MonitorAccount } from '../src/runtime/monitor-login.js';
import type { TlsPaths } from '../src/runtime/tls/tls-files.js';
import type { Consistency } from '../src/session/consistency.js';
import type { BalancePolicyName } from '../src/topology/balance/policy.js';
import type { NodeAddress } from '../src/topology/snapshot.js';
import type { ProofPlugin } from './client-login.js';
import type { ListenAddress } from './listen/listeners.js';
import type { AttributeScope } from './server-attributes.js';
import type { UserOptions } from './users.js';

/** TLS to one side. */
export interface TlsOptions extends TlsPaths {
  readonly mode: TlsMode;
  readonly minVersion?: TlsVersion | undefined;
}

export interface ProxyOptions {
  readonly listen: readonly ListenAddress[];
  readonly nodes: readonly NodeAddress[];
  readonly monitor: MonitorAccount;
  /** Between two looks at a node; see `defaults.ts` for what counts when absent. */
  readonly monitorIntervalMs?: number | undefined;
  /** Servers that the named ones tell of are used, too; so when absent. */
  readonly discovery?: boolean | undefined;
  /** A replica that is later gets no new reads. */
  readonly maxLagMs?: number | undefined;
  /** Server connections for each node and user. */
  readonly poolMax: number;
  readonly balance?: BalanceOptions | undefined;
  readonly pool?: PoolOptions | undefined;
  /** `session` when absent. */
  readonly consistency?: Consistency | undefined;
  /** How long a read waits for a replica to have what it has to see, before it goes to the primary. */
  readonly consistencyWaitMs?: number | undefined;
  /** Where reads go, beside what their own text says; none needed. */
  readonly rules?: readonly Rule[] | undefined;
  /** Where a certificate and keys that the proxy makes for itself are kept; without it they last as long as the process. */
  readonly dataDirectory?: string | undefined;
  readonly clients?: ClientOptions | undefined;
  readonly servers?: ServerOptions | undefined;
  readonly limits?: LimitOptions | undefined;
  /** Who may promote. Nobody here when absent: who is the primary is followed. */
  readonly coordinator?: CoordinatorSettings | undefined;
  readonly failover?: FailoverOptions | undefined;
  readonly hold?: HoldOptions | undefined;
  readonly replay?: ReplayOptions | undefined;
  /** None need be named. */
  readonly users?: readonly UserOptions[] | undefined;
}

/** How reads are spread. */
export interface BalanceOptions {
  /** `round-robin` when absent. */
  readonly policy?: BalancePolicyName | undefined;
  /** Which part of the reads the primary gets, from 0 to 1, while there are replicas; none when absent. */
  readonly primaryShare?: number | undefined;
  /** Where the proxy stands: nodes of the same zone come first. */
  readonly zone?: string | undefined;
  /** Reads that the primary answers at once because no replica can; more of them wait. */
  readonly primaryReadsMax?: number | undefined;
}

/** What else server connections are held to; see `defaults.ts` for what counts when absent. */
export interface PoolOptions {
  /** Kept for each node and way of talking, even when they are idle. */
  readonly min?: number | undefined;
  /** Clients that may wait for one. */
  readonly queueMax?: number | undefined;
  readonly acquireTimeoutMs?: number | undefined;
  readonly idleMs?: number | undefined;
  readonly maxLifetimeMs?: number | undefined;
}

/** How clients are talked to. */
export interface ClientOptions {
  /** Off when absent. Without files of its own, the certificate is the proxy's own, from its data directory. */
  readonly tls?: TlsOptions | undefined;
  readonly compression?: readonly CompressionAlgorithm[] | undefined;
  readonly authPlugin?: ProofPlugin | undefined;
  /** That they are told; the oldest of the servers' when absent. */
  readonly serverVersion?: string | undefined;
  /** What a client runs is killed on the server when the client disappears. As MySQL itself, not when absent. */
  readonly killAbandoned?: boolean | undefined;
  /** Networks whose connections may begin with a PROXY protocol header. */
  readonly proxyProtocol?: readonly string[] | undefined;
}

/** How servers are talked to. */
export interface ServerOptions {
  /** Off when absent. */
  readonly tls?: TlsOptions | undefined;
  readonly compression?: readonly CompressionAlgorithm[] | undefined;
  readonly attributes?: AttributeScope | undefined;
}

/** What clients may take; see `defaults.ts` for what counts when absent. */
export interface LimitOptions {
  readonly connections?: number | undefined;
  readonly connectionsPerUser?: number | undefined;
  readonly connectionsPerAddress?: number | undefined;
  /** The longest message of a client. */
  readonly packetBytes?: number | undefined;
  readonly loginTimeoutMs?: number | undefined;
  readonly idleTimeoutMs?: number | undefined;
}

/** What waits while there is no primary. */
export interface HoldOptions {
  readonly timeoutMs?: number | undefined;
  readonly max?: number | undefined;
  readonly bytes?: number | undefined;
}

/** What becomes of transactions that are lost with the primary. */
export interface ReplayOptions {
  /** They are run again on the next one, as long as every statement has the same result; not when absent. */
  readonly transactions?: boolean | undefined;
  /** That are kept of one transaction; of longer ones nothing is. */
  readonly statements?: number | undefined;
  /** The same in bytes. */
  readonly bytes?: number | undefined;
  /** Of all open transactions together. */
  readonly bytesOfAll?: number | undefined;
}
