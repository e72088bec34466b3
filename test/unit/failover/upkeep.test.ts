import { describe, expect, it } from 'vitest';
import { askAnewOf, upkeepOf, type Memory } from '../../../src/failover/upkeep.js';
import type { NodeState, ReplicaState } from '../../../src/failover/view.js';
import { mariadbGtids } from '../../../src/flavour/mariadb-gtids.js';
import { gtids, PRIMARY_UUID, primaryOf, replicaOf, viewOf } from './cluster-of.js';

const SECOND_UUID = replicaOf(2, '', '').serverUuid;

const MEMORY: Memory = {
  formerPrimaries: new Set([PRIMARY_UUID]),
  frozen: new Set(),
  acknowledgements: 1,
  primaryRestarted: false,
  leftAlone: new Set(),
};

/** db2, which follows nobody any more. */
function second(executed: string, change: Partial<NodeState> = {}): NodeState {
  return { ...primaryOf(executed), name: 'db2', host: 'db2', serverUuid: SECOND_UUID, ...change };
}

function third(executed: string, received: string, replica: Partial<ReplicaState> = {}): NodeState {
  return replicaOf(3, executed, received, {}, { receiver: 'off', ...replica });
}

/** As in `fence db1`. */
function due(primary: NodeState, others: readonly NodeState[], memory: Partial<Memory> = {}): string[] {
  const { tasks, errant } = upkeepOf(viewOf(primary, ...others), { ...MEMORY, ...memory });
  return [...tasks.map(({ name, node }) => `${name} ${node}`), ...[...errant.keys()].map((name) => `errant ${name}`)];
}

describe('a leader whose primary is well', () => {
  it('compares a replica of a former primary only when nothing comes to it any more', () => {
    expect(due(second('1-9'), [third('1-9', '1-9', { receiver: 'on' })])).toEqual(['freeze db3']);
    expect(due(second('1-9'), [third('1-9', '1-9')])).toEqual(['repoint db3']);
  });

  it('lets none replicate that has what the primary lacks, applied or not', () => {
    expect(due(second('1-9'), [third('1-10', '1-10')])).toEqual(['errant db3']);
    expect(due(second('1-9'), [third('1-9', '1-10')])).toEqual(['errant db3']);
  });

  it('takes a former primary back as a replica, but not while it knows of nothing that it made', () => {
    const former = { ...primaryOf('1-9'), readOnly: true };
    expect(due(second('1-9'), [former])).toEqual(['rejoin db1']);
    expect(due(second('1-9'), [{ ...former, logged: gtids('1-9') }])).toEqual(['rejoin db1']);
    expect(due(second('1-9'), [{ ...former, logged: gtids('') }])).toEqual([]);
    expect(due(second('1-9'), [{ ...former, logged: gtids('1-4', SECOND_UUID) }])).toEqual([]);
  });

  it('takes nothing for a replica’s own that the primary made and waits for', () => {
    const executed = gtids('1-9').union(gtids('1-3', SECOND_UUID));
    expect(due(second('1-9'), [{ ...third('1-9', '1-9'), executed }])).toEqual(['repoint db3']);
  });

  it('has an old primary that replicates wait for no acknowledgements, and leaves other replicas that do', () => {
    const waits = primaryOf('').semiSync;
    const replica = replicaOf(1, '1-9', '', { semiSync: waits }, { sourceHost: 'db2', sourceUuid: SECOND_UUID });
    const first = { ...replica, serverUuid: PRIMARY_UUID };
    expect(due(second('1-9'), [first])).toEqual(['rejoin db1']);
    expect(upkeepOf(viewOf(second('1-9'), first), MEMORY).tasks[0]?.commands).toMatchObject([
      { kind: 'semi-sync-source', on: false },
    ]);
    expect(due(second('1-9'), [{ ...first, serverUuid: replicaOf(4, '', '').serverUuid }])).toEqual([]);
  });

  it('leaves an old primary on MariaDB that knows of nothing that it made, and says so', () => {
    const version = '10.11.14-MariaDB';
    const made = mariadbGtids('0-1-9,0-2-12');
    const primary = { ...second('', { version, executed: made }), serverUuid: '2@db2:3306' };
    // The new primary had applied that when it was a replica, and a backup of it says so.
    const applied = mariadbGtids('0-1-9');
    const anew = {
      ...primaryOf('', { version, readOnly: true, executed: applied, logged: mariadbGtids('') }),
      serverUuid: '1@db1:3306',
    };
    const memory = { ...MEMORY, formerPrimaries: new Set(['1@db1:3306']) };
    expect(upkeepOf(viewOf(primary, anew), memory)).toMatchObject({ tasks: [], blank: ['db1'] });
    const told = { ...anew, executed: made, logged: made };
    expect(upkeepOf(viewOf(primary, told), memory)).toMatchObject({ tasks: [{ name: 'rejoin' }], blank: [] });
  });

  it('starts a replica that a failover, or a restart, has stopped, and any while all writes wait for it', () => {
    const stopped = replicaOf(3, '1-5', '1-5', {}, { receiver: 'off' });
    expect(due(primaryOf('1-5'), [stopped])).toEqual([]);
    expect(due(primaryOf('1-5'), [stopped], { frozen: new Set(['db3']) })).toEqual(['unfreeze db3']);
    expect(due(primaryOf('1-5', {}, { clients: 0, waiting: 3 }), [stopped])).toEqual(['unfreeze db3']);
    const restarted = replicaOf(3, '1-5', '1-5', {}, { receiver: 'off', applies: false });
    const { tasks } = upkeepOf(viewOf(primaryOf('1-5'), restarted), { ...MEMORY, frozen: new Set(['db3']) });
    expect(tasks[0]?.commands).toEqual([{ kind: 'start-replica' }]);
  });

  it('has a primary forget the source that it had', () => {
    const { replica } = third('1-9', '1-9', { applies: false });
    expect(due(second('1-9', { replica }), [])).toEqual(['forget db2']);
  });
});

describe('a leader that finds a promotion half done', () => {
  const promoting = { gtids: gtids('1-9'), epoch: 8 };

  it('opens the one that the record names, with all that it is to have, and acknowledgements first', () => {
    const closed = second('1-9', { readOnly: true, semiSync: replicaOf(2, '', '').semiSync });
    const { tasks } = upkeepOf(viewOf(closed, third('1-9', '1-9')), { ...MEMORY, promoting });
    expect(tasks.map(({ name, node }) => `${name} ${node}`)).toEqual(['repoint db3', 'open db2']);
    expect(tasks[1]?.commands).toEqual([
      { kind: 'assert-executed', gtids: promoting.gtids },
      { kind: 'semi-sync-replica', on: false },
      { kind: 'semi-sync-source', on: true, acknowledgements: 1 },
      { kind: 'open-for-writes' },
    ]);
  });

  it('opens it once more where it seems to be open: what was said before may yet come', () => {
    expect(due(second('1-9'), [], { promoting })).toEqual(['open db2']);
  });

  it('opens nobody that was closed by hand', () => {
    expect(due(second('1-9', { readOnly: true }), [])).toEqual([]);
    expect(due(second('1-9', { readOnly: true }), [], { primaryRestarted: true })).toEqual(['open-again db2']);
  });

  it('leaves a primary closed that came back without what it made itself, on MariaDB too', () => {
    const closed = primaryOf('1-8', { readOnly: true });
    expect(due(closed, [replicaOf(2, '1-8', '1-8')], { primaryRestarted: true })).toEqual(['open-again db1']);
    const upkeep = upkeepOf(viewOf(closed, replicaOf(2, '1-8', '1-9')), { ...MEMORY, primaryRestarted: true });
    expect(upkeep.tasks).toEqual([]);
    expect(upkeep.leftClosed).toMatch(/without transactions that it made, and db2 has \(.*:9\)/);
    // What a replica made by itself is another matter.
    const errant = { ...replicaOf(2, '1-8', '1-8'), executed: gtids('1-8').union(gtids('1', SECOND_UUID)) };
    expect(due(closed, [errant], { primaryRestarted: true })).toEqual(['open-again db1']);

    const one = primaryOf('', { serverUuid: '1@db1:3306', readOnly: true, executed: mariadbGtids('0-1-8') });
    const has = (gtid: string): NodeState => replicaOf(2, '', '', { executed: mariadbGtids(gtid) }, { sourceUuid: '' });
    expect(due(one, [has('0-1-8')], { primaryRestarted: true })).toEqual(['open-again db1']);
    expect(due(one, [has('0-1-9')], { primaryRestarted: true })).toEqual([]);
    expect(due(one, [has('0-2-9')], { primaryRestarted: true })).toEqual(['open-again db1']);
  });
});

describe('replicas are asked anew', () => {
  const DEAD = { reach: 'refused', why: 'connection refused', failingSinceMs: 1_000 } as const;

  it('when they receive from a primary that refuses us, or stand still while it is silent', () => {
    const receives = viewOf(primaryOf('1-5', DEAD), replicaOf(2, '1-5', '1-5', {}, { heardAtMs: 1_001 }));
    const stopped = viewOf(primaryOf('1-5', DEAD), replicaOf(2, '1-5', '1-5', {}, { receiver: 'off' }));
    expect(askAnewOf(receives, 'refuses-here').map(({ name }) => name)).toEqual(['ask-anew']);
    expect(askAnewOf(stopped, 'suspect').map(({ name }) => name)).toEqual(['unfreeze']);
    expect(askAnewOf(receives, 'dead')).toEqual([]);
  });

  it('not while they may be cut off from it: to stop a receiver that connects in vain takes longer than to wait for its silence', () => {
    const asked = (seenAtMs: number, heardAtMs: number, heartbeatMs: number): unknown[] => {
      const replica = replicaOf(
        2,
        '1-5',
        '1-5',
        { seenAtMs },
        { heardAtMs, quietForMs: seenAtMs - heardAtMs, heartbeatMs },
      );
      return askAnewOf(viewOf(primaryOf('1-5', DEAD), replica), 'refuses-here');
    };
    expect(asked(1_100, 950, 200)).toEqual([]);
    expect(asked(1_600, 1_000, 200)).toEqual([]);
    expect(asked(1_100, 1_050, 200)).toHaveLength(1);
    // With rare heartbeats its silence would be a long one.
    expect(asked(1_500, 200, 10_000)).toHaveLength(1);
  });
});
