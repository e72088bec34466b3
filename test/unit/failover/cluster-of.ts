import { GtidSet } from '../../../src/topology/gtid-set.js';
import type { ClusterView, NodeState, ReplicaState, SemiSyncState } from '../../../src/failover/view.js';

export const PRIMARY_UUID = '11111111-1111-1111-1111-111111111111';

/** @param numbers of the primary's transactions, as in `1-5` */
export function gtids(numbers: string, uuid: string = PRIMARY_UUID): GtidSet {
  return GtidSet.parse(numbers === '' ? '' : `${uuid}:${numbers}`) ?? GtidSet.EMPTY;
}

const SEMI_SYNC: SemiSyncState = {
  sourceEnabled: false,
  sourceActive: false,
  waitsAfterSync: true,
  waitsWithoutReplicas: true,
  timeoutMs: 4_294_967_295,
  acknowledgements: 1,
  clients: 0,
  waiting: 0,
  replicaEnabled: true,
};

export function primaryOf(
  executed: string,
  change: Partial<NodeState> = {},
  semiSync: Partial<SemiSyncState> = {},
): NodeState {
  return {
    name: 'db1',
    host: 'db1',
    port: 3306,
    reach: 'answers',
    why: '',
    failingSinceMs: undefined,
    seenAtMs: 0,
    serverUuid: PRIMARY_UUID,
    version: '8.4.0',
    readOnly: false,
    offline: false,
    executed: gtids(executed),
    replica: undefined,
    semiSync: { ...SEMI_SYNC, sourceEnabled: true, sourceActive: true, clients: 2, ...semiSync },
    canBeSource: true,
    preference: 'neutral',
    ...change,
  };
}

/** @param number 2 for db2, and so on */
export function replicaOf(
  number: number,
  executed: string,
  received: string,
  change: Partial<NodeState> = {},
  replica: Partial<ReplicaState> = {},
): NodeState {
  const name = `db${number}`;
  return {
    ...primaryOf(executed),
    name,
    host: name,
    serverUuid: String(number).repeat(8) + PRIMARY_UUID.slice(8),
    readOnly: true,
    semiSync: SEMI_SYNC,
    replica: {
      sourceHost: 'db1',
      sourcePort: 3306,
      sourceUuid: PRIMARY_UUID,
      received: gtids(received),
      receiver: 'on',
      receiverErrno: 0,
      quietForMs: 0,
      heardAtMs: 0,
      heartbeatMs: 200,
      applies: true,
      applierError: '',
      delayS: 0,
      ...replica,
    },
    ...change,
  };
}

export function viewOf(primary: NodeState, ...others: readonly NodeState[]): ClusterView {
  return { nowMs: 0, primary, others };
}
