import type { NodeState, Reach } from '../../src/failover/view.js';
import type { SimServer } from './server.js';
import { uuidOf } from './vector.js';
import type { SimWorld } from './world.js';

/** What a server says of itself. */
export interface Looked {
  readonly state: NodeState;
  readonly startedAtMs: number;
  /** Read-only since it started, and not by anybody's word after that. */
  readonly isClosedByStart: boolean;
  readonly journal: { readonly epoch: number; readonly server: number };
}

const HEARTBEAT_MS = 200;
const TIMEOUT_MS = 4_294_967_295;

export function nodeName(server: number): string {
  return `db${server + 1}`;
}

export function lookAt(server: SimServer, world: SimWorld, beganAtMs: number): Looked {
  const { id, source } = server;
  const name = nodeName(id);
  const state: NodeState = {
    name,
    host: name,
    port: 3306,
    reach: 'answers',
    why: '',
    failingSinceMs: undefined,
    seenAtMs: beganAtMs,
    serverUuid: uuidOf(id),
    version: server.version,
    readOnly: server.readOnly,
    offline: server.offline,
    executed: server.executedSet.get(server.executed),
    replica:
      source === undefined
        ? undefined
        : {
            sourceHost: nodeName(source),
            sourcePort: 3306,
            sourceUuid: uuidOf(source),
            received: server.receivedSet.get(server.received),
            receiver: server.receiver,
            receiverErrno: server.receiverErrno,
            heardAtMs: server.brokenAtMs ?? world.clock.nowMs,
            quietForMs: server.brokenAtMs === undefined ? 0 : world.clock.nowMs - server.brokenAtMs,
            heartbeatMs: HEARTBEAT_MS,
            applies: server.applies,
            applierError: server.applierError,
            delayS: 0,
          },
    semiSync: server.hasSemiSync
      ? {
          sourceEnabled: server.semiSource,
          sourceActive: server.semiSource,
          waitsAfterSync: true,
          waitsWithoutReplicas: true,
          timeoutMs: TIMEOUT_MS,
          acknowledgements: server.semiCount,
          clients: world.ackersOf(server, false),
          waiting: server.waiting,
          replicaEnabled: server.semiReplica,
        }
      : undefined,
    canBeSource: true,
    preference: server.preference,
  };
  return {
    state,
    startedAtMs: server.startedAtMs,
    isClosedByStart: server.readOnly && server.isClosedByStart,
    journal: server.journal,
  };
}

/** How a look ends that begins now. */
export function reachOf(server: SimServer, world: SimWorld, coordinator: number): Reach {
  if (!world.network.reaches(coordinator, server.id)) return 'silent';
  if (!server.up) return 'refused';
  return server.hung ? 'silent' : 'answers';
}
