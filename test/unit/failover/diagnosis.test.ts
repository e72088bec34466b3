import { describe, expect, it } from 'vitest';
import { diagnose } from '../../../src/failover/diagnosis.js';
import { primaryOf, replicaOf, viewOf } from './cluster-of.js';

const SILENT = { reach: 'silent', why: 'timed out' } as const;
const REFUSED = { reach: 'refused', why: 'connection refused' } as const;
const LOST = { receiver: 'connecting', receiverErrno: 2003 } as const;

describe('a primary that does not answer here', () => {
  it('is dead when a replica has lost it, too, and none hears of it', () => {
    const view = viewOf(
      primaryOf('1-5', SILENT),
      replicaOf(2, '1-5', '1-5', {}, LOST),
      replicaOf(3, '1-5', '1-5', SILENT),
    );
    expect(diagnose(view)).toEqual({ kind: 'dead', why: 'db1 does not answer (timed out), and db2 lost it, too' });
  });

  it('is dead when it is frozen: connections stand, but no heartbeat comes any more', () => {
    const quiet = { quietForMs: 600 };
    const view = viewOf(
      primaryOf('1-5', SILENT),
      replicaOf(2, '1-5', '1-5', {}, quiet),
      replicaOf(3, '1-5', '1-5', {}, quiet),
    );
    expect(diagnose(view).kind).toBe('dead');
  });

  it('is not dead while heartbeats may still come', () => {
    const view = viewOf(
      primaryOf('1-5', SILENT),
      replicaOf(2, '1-5', '1-5', {}, { quietForMs: 1_000, heartbeatMs: 500 }),
    );
    expect(diagnose(view).kind).toBe('unreachable-from-here');
  });

  it('is only unreachable from here when one replica receives from it', () => {
    const view = viewOf(primaryOf('1-5', SILENT), replicaOf(2, '1-5', '1-5', {}, LOST), replicaOf(3, '1-5', '1-5'));
    expect(diagnose(view).kind).toBe('unreachable-from-here');
  });

  it('that refuses connections, while replicas keep theirs, is to be tried anew by them', () => {
    expect(diagnose(viewOf(primaryOf('1-5', REFUSED), replicaOf(2, '1-5', '1-5'))).kind).toBe('refuses-here');
  });

  it('may be well when no replica answers either: that may be our own network', () => {
    const view = viewOf(primaryOf('1-5', SILENT), replicaOf(2, '1-5', '1-5', SILENT, LOST));
    expect(diagnose(view).kind).toBe('nobody-answers');
  });

  it('is not dead by the word of a replica whose receiver was stopped on purpose', () => {
    const view = viewOf(primaryOf('1-5', SILENT), replicaOf(2, '1-5', '1-5', {}, { receiver: 'off' }));
    expect(diagnose(view).kind).toBe('suspect');
  });
});

describe('a primary that is there', () => {
  it('is overloaded, not dead, when it lets nobody in, whatever replicas say', () => {
    const view = viewOf(
      primaryOf('1-5', { reach: 'full', why: 'too many connections' }),
      replicaOf(2, '1-5', '1-5', {}, LOST),
    );
    expect(diagnose(view).kind).toBe('overloaded');
  });

  it('is not failed over when its replication is broken', () => {
    expect(diagnose(viewOf(primaryOf('1-5'), replicaOf(2, '1-5', '1-5', {}, LOST))).kind).toBe('replication-broken');
  });

  it('is locked, too, when a replica that acknowledges is frozen: its connection stands', () => {
    const primary = primaryOf('1-5', {}, { clients: 1, waiting: 3 });
    expect(diagnose(viewOf(primary, replicaOf(2, '1-5', '1-5', SILENT))).kind).toBe('semi-sync-locked');
    expect(diagnose(viewOf(primary, replicaOf(2, '1-5', '1-5'))).kind).toBe('healthy');
  });

  it('takes no writes when it is read-only', () => {
    expect(diagnose(viewOf(primaryOf('1-5', { readOnly: true }), replicaOf(2, '1-5', '1-5')))).toEqual({
      kind: 'closed',
      why: 'db1 answers, and is read-only',
    });
  });

  it('is locked when transactions wait for acknowledgements that nobody gives', () => {
    const view = viewOf(primaryOf('1-5', {}, { clients: 0, waiting: 3 }), replicaOf(2, '1-5', '1-5', {}, LOST));
    expect(diagnose(view).kind).toBe('semi-sync-locked');
  });
});
