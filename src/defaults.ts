/** Every bound and time-out, in one table. */
export const DEFAULTS = {
  listen: '127.0.0.1:3307',
  /** Clients served at once; a further one gets MySQL's 1040. */
  maxClients: 10_000,
  /** Messages of clients that are under way, all together: what would be more is refused. */
  maxBufferedBytes: 2_147_483_648,
  /** From a client's TCP connection to its login. */
  clientLoginTimeoutMs: 10_000,
  /** From a TCP connection to a server to the end of our login there. */
  serverLoginTimeoutMs: 10_000,
  /** A login that was checked with a server is taken again without asking for so long. */
  verifierLifetimeMs: 10_000,
  /** A user's password, and connections, are kept for so long after the last session. */
  unusedAccountMs: 60_000,
  /** Kinds of clients of one user that have server connections of their own; the programs of further ones are not told apart. */
  groupsPerAccount: 32,
  /** Logins that are checked with a server at once. */
  loginChecks: 64,
  /** What a client may send before it is logged in: a login, with its attributes. */
  maxLoginBytes: 131_072,
  /** How often it is looked who has been idle for too long. */
  idleIntervalMs: 1_000,
  /** Of both sides, as MySQL's. */
  tlsMinVersion: 'TLSv1.2',
  /** How often it is looked whether certificates have changed. */
  certificateIntervalMs: 5_000,
  /** The longest message of a client, headers included: MySQL's own bound for max_allowed_packet. */
  maxMessageBytes: 1_073_741_824 + 65 * 4,
  /** What a client may send ahead while its statement runs, before its socket is no longer read. */
  maxPipelinedBytes: 1_048_576,
  /** Server connections for each node and user. */
  poolMax: 100,
  poolQueueMax: 10_000,
  poolAcquireTimeoutMs: 10_000,
  poolIdleMs: 60_000,
  /** A server connection is replaced after so long, give or take a tenth. */
  poolMaxLifetimeMs: 3_600_000,
  poolEvictionIntervalMs: 15_000,
  /** After a failed connection attempt the next waits so long, doubled with each failure, up to the maximum. */
  backOffMinMs: 50,
  backOffMaxMs: 2_000,
  /** A read that has had no answer runs elsewhere when its server is lost: so often at the most. */
  lossesPerRead: 10,
  /** Statements that one server connection keeps prepared; the least recently used is closed first. */
  preparedPerConnection: 200,
  /** The same for all connections to one node: half of what MySQL allows all clients of a server by default. */
  preparedPerNode: 8_191,
  /** Statements that one client may have prepared at once: MySQL's default for all clients together. */
  preparedPerClient: 16_382,
  /** Classes of statements remembered. */
  statementCacheBytes: 16 * 1024 * 1024,
  statementCacheEntryBytes: 16 * 1024,
  /** Texts whose classes a driver remembers, of either of two generations. */
  driverTemplates: 2_000,
  /** Digests that are counted each for itself, from the start of the process on. */
  digests: 5_000,
  /** How long a read waits for a replica to have what it has to see, before it goes to the primary. */
  consistencyWaitMs: 100,
  /** The longest token of a session that another one takes. */
  tokenBytes: 65_536,
  /** How often the state of each node is looked at. */
  probeIntervalMs: 250,
  probeTimeoutMs: 1_000,
  /** The same for a driver: an application has many processes, and each of them looks. */
  driverProbeIntervalMs: 1_000,
  /** While there is no primary, it looks more often. */
  driverUrgentIntervalMs: 100,
  /** Where nobody has used the pool for so long, it looks less often by that factor. */
  driverIdleAfterMs: 10_000,
  driverIdleFactor: 5,
  /** A node that answered before is taken to be gone only after so many looks without an answer: one says more of a busy machine. */
  silentAfterLooks: 3,
  /** Every how many looks a node is asked from whom it replicates, which others it knows, and for a new login. */
  looksPerReplication: 4,
  looksPerDiscovery: 8,
  looksPerLogin: 20,
  /** A replica that is later gets no new reads. */
  maxLagMs: 10_000,
  /** Reads that the primary answers at once because no replica can: half of a user's connections are left for writes. */
  primaryReads: 50,
  /** A node that has come back gets its full part of the reads after so long at the most. */
  slowStartMs: 10_000,
  /** What the last statement left, warnings or an error, keeps its connection at least so long from being drained. */
  drainHeldMs: 2_000,
  /** A discovered node that is down, and that nobody tells of any more, is forgotten after so long. */
  forgetNodeMs: 300_000,
  /** Statements that wait for a primary: how long, how many, and with how much text. */
  holdTimeoutMs: 10_000,
  holdMax: 10_000,
  holdBytes: 67_108_864,
  /** What is kept of an open transaction to run it again on another primary; of all of them together. */
  replayStatements: 1_000,
  replayBytes: 1_048_576,
  replayBytesOfAll: 268_435_456,
  /** For a replica that is to be promoted to apply what it has received. */
  failoverDrainMs: 30_000,
  /** After a failover there is no other one by itself for so long: whatever ended the first primary may end the next. */
  failoverPauseMs: 600_000,
  /** How often it is looked whether stored routines have changed. */
  storedRoutinesIntervalMs: 5_000,
  storedRoutinesTimeoutMs: 10_000,
  /** With more of them, or larger ones, calls go to the primary. */
  storedRoutines: 5_000,
  storedRoutineBytes: 65_536,
  /** How long running statements get when the proxy is asked to stop. */
  drainTimeoutMs: 10_000,
  /** So long a leadership lasts at etcd or the servers when its holder falls silent. */
  leaseTtlMs: 5_000,
  /** Which part of that earlier the holder itself takes it to be over. */
  leaseMarginShare: 0.2,
  /** After which part of that it is renewed, and the others look who leads. */
  leaseRenewShare: 0.3,
  /** One question of a coordinator to one etcd member or server. */
  coordinatorRequestMs: 1_000,
  /** A question with all its attempts at further etcd members. */
  coordinatorCallMs: 2_000,
  /** Between attempts after a failure. */
  coordinatorRetryMs: 100,
  /** What etcd may answer, in one message. */
  coordinatorAnswerBytes: 1_048_576,
  /** Below which all keys are in etcd. */
  coordinatorKeyPrefix: 'rwsplit',
  /** What a server connection reads at once. */
  readBufferBytes: 65_536,
} as const;
