import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULTS } from '../../defaults.js';
import type { PrimaryRecord } from './coordinator.js';
import type { EtcdClient } from './etcd-client.js';
import type { EtcdKeys } from './etcd-messages.js';
import type { EtcdView } from './etcd-view.js';
import { primaryRecordText } from './primary-record.js';
import type { Term } from './term.js';

export interface EtcdWriting {
  readonly client: EtcdClient;
  readonly view: EtcdView;
  readonly term: Term;
  readonly nowMs: () => number;
  readonly timeoutMs: number;
  /** @param asked what the revision was when it was asked */
  readonly onAnswer: (found: EtcdKeys, asked: number) => void;
}

/**
 * Puts the record while the leader's key is there with the leadership's creation, and the record is as it was seen last.
 * @returns whether it was put
 * @throws where that cannot be known
 */
export async function writeRecord(writing: EtcdWriting, record: PrimaryRecord): Promise<boolean> {
  const { client, view, term, nowMs, timeoutMs, onAnswer } = writing;
  if (record.epoch > term.epoch) return false;
  const value = primaryRecordText(record);
  const isStored = (): boolean => view.storedRecord?.value === value;
  const untilMs = nowMs() + timeoutMs;
  let failure: unknown;
  // An etcd that refuses puts, as a full one does, may keep leases for ever.
  while (term.remainingMs() > 0 && nowMs() < untilMs && record.epoch >= (view.record?.epoch ?? 0)) {
    const asked = view.revision;
    try {
      const found = await client.putIf(
        [
          { target: 'CREATE', key: view.leaderKey, revision: term.epoch - view.base },
          // An attempt that was given up must not come through after the next one.
          { target: 'MOD', key: view.recordKey, revision: view.storedRecord?.modRevision ?? 0 },
        ],
        { key: view.recordKey, value },
        view.prefix,
      );
      onAnswer(found, asked);
      if (found.put || (failure !== undefined && isStored())) return true;
    } catch (error) {
      failure = error;
      await sleep(DEFAULTS.coordinatorRetryMs);
    }
  }
  if (failure === undefined) return false;
  // Where the leader's key is gone or another one's, what is still under way comes too late.
  if (view.epoch !== term.epoch) return isStored();
  throw new Error('it is not known whether the record was written', { cause: failure });
}
