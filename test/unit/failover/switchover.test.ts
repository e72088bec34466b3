import { describe, expect, it } from 'vitest';
import {
  beginSwitchover,
  stepSwitchover,
  type SwitchoverAction,
  type SwitchoverEvent,
  type SwitchoverStep,
} from '../../../src/failover/switchover.js';
import type { SwitchoverSettings } from '../../../src/failover/switchover-check.js';
import type { Command, TaskName } from '../../../src/failover/task.js';
import type { ClusterView } from '../../../src/failover/view.js';
import { gtids, primaryOf, replicaOf, viewOf } from './cluster-of.js';

const SETTINGS: SwitchoverSettings = {
  policy: 'lossless',
  epoch: 7,
  maxLagTransactions: 100,
  catchUpTimeoutMs: 1_000,
  holdTimeoutMs: 500,
  drainTimeoutMs: 1_000,
  stragglers: 'abort',
};

const VIEW = viewOf(primaryOf('1-5'), replicaOf(2, '1-5', '1-5'), replicaOf(3, '1-4', '1-5'));

function begin(change: Partial<SwitchoverSettings> = {}, view: ClusterView = VIEW): SwitchoverStep {
  const step = beginSwitchover(view, 'db2', { ...SETTINGS, ...change });
  if ('refusals' in step) throw new Error(step.refusals.join('; '));
  return step;
}

function refusals(view: ClusterView, to = 'db2'): readonly string[] {
  const step = beginSwitchover(view, to, SETTINGS);
  return 'refusals' in step ? step.refusals : [];
}

function done(task: TaskName, node: string, executed?: string): SwitchoverEvent {
  const position = executed === undefined ? undefined : { executed: gtids(executed), received: gtids('') };
  return { kind: 'done', task, node, position };
}

function failed(task: TaskName, node: string, command: Command['kind'], unknown = false): SwitchoverEvent {
  return { kind: 'failed', task, node, command, why: 'it is so', unknown };
}

const HELD: SwitchoverEvent = { kind: 'held', running: 0 };
const CLAIMED: SwitchoverEvent = { kind: 'claimed', ok: true };
const LATE: SwitchoverEvent = { kind: 'late' };
/** All goes well until the candidate is to be opened. */
const UNTIL_OPENING = [
  done('catch-up', 'db2'),
  CLAIMED,
  HELD,
  done('close', 'db1', '1-9'),
  done('drain', 'db2'),
  CLAIMED,
] as const;

function run(first: SwitchoverStep, ...events: readonly SwitchoverEvent[]): SwitchoverStep {
  return events.reduce((step, event) => stepSwitchover(step.state, event), first);
}

/** As in `close db1`. */
function named(actions: readonly SwitchoverAction[]): string[] {
  return actions.map((it) => {
    if (it.kind === 'task') return `${it.task.name} ${it.task.node}`;
    return it.kind === 'claim' ? `claim ${it.node.name} ${it.phase}` : `${it.kind} ${it.node.name}`;
  });
}

function commandsOf({ actions }: SwitchoverStep): string[] {
  return actions.flatMap((it) => (it.kind === 'task' ? it.task.commands.map(({ kind }) => kind) : []));
}

describe('a switchover', () => {
  it('holds writes only when the candidate has caught up with what came while it did so, as long as that becomes less', () => {
    const position = (executed: string, received: string): SwitchoverEvent => {
      return {
        kind: 'done',
        task: 'catch-up',
        node: 'db2',
        position: { executed: gtids(executed), received: gtids(received) },
      };
    };
    const view = viewOf(primaryOf('1-1000'), replicaOf(2, '1-100', '1-1000'), replicaOf(3, '1-1000', '1-1000'));
    const again = run(begin({ maxLagTransactions: 1_000 }, view), position('1-1000', '1-1400'));
    expect(again.actions).toMatchObject([
      { task: { name: 'catch-up', commands: [{ gtids: gtids('1-1400') }, {}, {}] } },
    ]);
    expect(named(run(again, position('1-1400', '1-1450')).actions)).toEqual(['claim db1 promoting']);
    expect(named(run(again, position('1-1400', '1-1500')).actions)).toEqual(['catch-up db2']);
    // It does not get nearer.
    expect(named(run(again, position('1-1400', '1-1700')).actions)).toEqual(['claim db1 promoting']);
  });

  it('holds nothing before the candidate has caught up, and opens it only when it has all that the closed primary had', () => {
    const first = begin();
    expect(named(first.actions)).toEqual(['catch-up db2']);
    const marking = run(first, done('catch-up', 'db2'));
    expect(named(marking.actions)).toEqual(['claim db1 promoting']);
    const holding = run(marking, CLAIMED);
    expect(named(holding.actions)).toEqual(['hold db1']);
    const closing = run(holding, HELD);
    expect(named(closing.actions)).toEqual(['close db1']);
    const draining = run(closing, done('close', 'db1', '1-9'));
    const [drain] = draining.actions;
    expect(drain?.kind === 'task' ? drain.task.commands : []).toMatchObject([
      { kind: 'wait-executed', gtids: gtids('1-9') },
    ]);
    const claiming = run(draining, done('drain', 'db2'));
    expect(named(claiming.actions)).toEqual(['claim db2 promoting']);
    const opening = run(claiming, CLAIMED);
    // It is open when there is somebody who acknowledges what is written there.
    expect(named(opening.actions)).toEqual(['open db2', 'repoint db3']);
    const settling = run(opening, done('open', 'db2'));
    expect(named(settling.actions)).toEqual(['announce db2', 'release db2', 'claim db2 primary', 'record db2']);
    // What the first writes do not wait for leaves it to them.
    const recorded = run(settling, done('record', 'db2'));
    expect(named(recorded.actions)).toEqual(['rejoin db1', 'forget db2']);
    const ended = run(recorded, failed('repoint', 'db3', 'follow'), done('rejoin', 'db1'), done('forget', 'db2'));
    expect(ended).toMatchObject({
      state: { outcome: { kind: 'switched', node: 'db2', left: ['repoint db3'] } },
      actions: [],
    });
  });

  it('has the old primary acknowledge at once where the new one would have nobody else', () => {
    const two = viewOf(primaryOf('1-5'), replicaOf(2, '1-5', '1-5'));
    const settling = run(begin({}, two), ...UNTIL_OPENING, done('open', 'db2'));
    expect(named(settling.actions).slice(3)).toEqual(['record db2', 'rejoin db1', 'forget db2']);
    const rejoin = settling.actions.find((it) => it.kind === 'task' && it.task.name === 'rejoin');
    // It acknowledges before it has done what takes a second.
    expect(rejoin?.kind === 'task' ? rejoin.task.commands : []).toMatchObject([
      { kind: 'semi-sync-replica', on: true },
      { kind: 'follow', host: 'db2', anew: true },
      { kind: 'semi-sync-source', on: false },
    ]);
    expect(run(settling, done('record', 'db2')).actions).toEqual([]);
  });

  it('ends when all has come to its end, in whatever order', () => {
    const early = run(begin(), ...UNTIL_OPENING, done('repoint', 'db3'), done('open', 'db2'), done('record', 'db2'));
    expect(run(early, done('forget', 'db2')).state.outcome).toBeUndefined();
    expect(run(early, done('forget', 'db2'), done('rejoin', 'db1')).state.outcome).toEqual({
      kind: 'switched',
      node: 'db2',
      left: [],
    });
    const late = run(begin(), ...UNTIL_OPENING, done('open', 'db2'), LATE);
    expect(late.state.outcome).toMatchObject({ left: ['record db2', 'rejoin db1', 'forget db2', 'repoint db3'] });
  });

  it('leaves a replica with transactions of its own where it is', () => {
    const own = gtids('1-5').union(gtids('3', '33333333-1111-1111-1111-111111111111'));
    const view = viewOf(primaryOf('1-5'), replicaOf(2, '1-5', '1-5'), replicaOf(3, '1-5', '1-5', { executed: own }));
    const opening = run(begin({}, view), ...UNTIL_OPENING);
    expect(named(opening.actions)).toEqual(['open db2']);
  });

  it('closes the old primary with its clients and replicas connected, and with acknowledgements', () => {
    expect(commandsOf(run(begin(), done('catch-up', 'db2'), CLAIMED, HELD))).toEqual([
      'close-for-writes',
      'read-position',
    ]);
  });

  it('has the candidate wait for as many acknowledgements before it is writable', () => {
    const opening = run(begin(), ...UNTIL_OPENING);
    expect(commandsOf(opening).slice(0, 5)).toEqual([
      'stop-replica',
      'assert-executed',
      'semi-sync-replica',
      'semi-sync-source',
      'open-for-writes',
    ]);
    const [open] = opening.actions;
    expect(open?.kind === 'task' ? open.task.commands[3] : undefined).toMatchObject({ on: true, acknowledgements: 1 });
  });

  it('leaves transactions alone that do not end, and is given up, or ends them, by setting', () => {
    const holding = run(begin(), done('catch-up', 'db2'), CLAIMED, { kind: 'held', running: 2 });
    expect(holding.state.outcome).toEqual({ kind: 'given-up', why: '2 transactions on db1 do not end' });
    expect(named(holding.actions)).toEqual(['release db1']);
    const killing = run(begin({ stragglers: 'kill' }), done('catch-up', 'db2'), CLAIMED, { kind: 'held', running: 2 });
    expect(commandsOf(killing)).toEqual(['end-transactions', 'close-for-writes', 'read-position']);
  });

  it('ends transactions that keep the primary from closing once, by setting', () => {
    const busy = failed('close', 'db1', 'close-for-writes');
    const again = run(begin({ stragglers: 'kill' }), done('catch-up', 'db2'), CLAIMED, HELD, busy);
    expect(commandsOf(again)).toEqual(['end-transactions', 'close-for-writes', 'read-position']);
    expect(named(run(again, busy).actions)).toEqual(['reopen db1']);
    expect(named(run(begin(), done('catch-up', 'db2'), CLAIMED, HELD, busy).actions)).toEqual(['reopen db1']);
  });
});

describe('a switchover that fails', () => {
  it('has held nothing when the candidate does not catch up', () => {
    for (const event of [failed('catch-up', 'db2', 'wait-executed'), LATE]) {
      expect(run(begin(), event)).toMatchObject({ state: { outcome: { kind: 'given-up' } }, actions: [] });
    }
  });

  it('opens the old primary again before it releases writes, when the candidate does not get everything', () => {
    for (const event of [failed('drain', 'db2', 'wait-executed'), LATE]) {
      const reopening = run(begin(), ...UNTIL_OPENING.slice(0, 4), event);
      expect(named(reopening.actions)).toEqual(['reopen db1']);
      const ended = run(reopening, done('reopen', 'db1'));
      expect(named(ended.actions)).toEqual(['release db1']);
      expect(ended.state.outcome?.kind).toBe('given-up');
    }
  });

  it('takes its claim back before the old primary is opened again', () => {
    const afterClaim = [
      { reclaiming: run(begin(), ...UNTIL_OPENING.slice(0, 5), LATE), moved: [] },
      { reclaiming: run(begin(), ...UNTIL_OPENING, failed('open', 'db2', 'assert-executed')), moved: ['repoint db3'] },
    ];
    for (const { reclaiming, moved } of afterClaim) {
      expect(named(reclaiming.actions)).toEqual(['claim db1 promoting']);
      const reopening = run(reclaiming, CLAIMED);
      expect(named(reopening.actions)).toEqual(['reopen db1', 'restore db2', ...moved]);
      const back = reopening.actions.find((it) => it.kind === 'task' && it.task.name === 'repoint');
      if (back?.kind === 'task') expect(back.task.commands.at(-1)).toMatchObject({ kind: 'follow', host: 'db1' });
      expect(run(reopening, done('reopen', 'db1'))).toMatchObject({ state: { outcome: { kind: 'given-up' } } });
      expect(run(reclaiming, { kind: 'claimed', ok: false })).toMatchObject({
        state: { outcome: { kind: 'deposed' } },
      });
    }
  });

  it('opens nobody else once it is not known whether the candidate is open', () => {
    for (const event of [failed('open', 'db2', 'open-for-writes', true), LATE]) {
      const ended = run(begin(), ...UNTIL_OPENING, event);
      expect(ended.state.outcome).toMatchObject({ kind: 'stuck', node: 'db2' });
      expect(named(ended.actions)).toEqual(['release db1']);
    }
  });

  it('opens the old primary again with what it had and waited for, though it may have been started anew', () => {
    const reopen = (view: ClusterView): unknown => {
      const [action] = run(begin({}, view), ...UNTIL_OPENING.slice(0, 4), LATE).actions;
      return action?.kind === 'task' ? action.task.commands : undefined;
    };
    const has = { kind: 'assert-executed', gtids: gtids('1-5') };
    const open = { kind: 'open-for-writes' };
    expect(reopen(VIEW)).toEqual([has, { kind: 'semi-sync-source', on: true, acknowledgements: 1 }, open]);
    // What was set otherwise is not to become that by us.
    const impatient = primaryOf('1-5', {}, { timeoutMs: 1_000 });
    expect(reopen(viewOf(impatient, replicaOf(2, '1-5', '1-5'), replicaOf(3, '1-4', '1-5')))).toEqual([has, open]);
  });

  it('says so when the old primary does not open again', () => {
    const ended = run(begin(), ...UNTIL_OPENING.slice(0, 4), LATE, failed('reopen', 'db1', 'open-for-writes', true));
    expect(ended.state.outcome).toMatchObject({ kind: 'stuck', node: 'db1' });
    expect(named(ended.actions)).toEqual(['release db1']);
  });

  it('releases writes, and touches no node, once another one may lead', () => {
    const events = UNTIL_OPENING.slice(0);
    for (let length = 2; length <= events.length; length++) {
      const ended = run(begin(), ...events.slice(0, length), { kind: 'deposed' });
      expect(ended.state.outcome?.kind).toBe('deposed');
      expect(named(ended.actions)).toEqual(['release db1']);
    }
  });

  it('is not moved by what an earlier phase had asked for', () => {
    const closing = run(begin(), done('catch-up', 'db2'), CLAIMED, HELD);
    expect(run(closing, failed('catch-up', 'db2', 'wait-executed'), HELD, CLAIMED).state).toBe(closing.state);
  });
});

describe('a switchover is refused, with every reason,', () => {
  it('for a node that is no healthy replica of the primary', () => {
    const own = '22222222-1111-1111-1111-111111111111';
    expect(refusals(VIEW, 'db1')).toEqual(['db1 is the primary']);
    expect(refusals(VIEW, 'db9')).toEqual(['db9 is no node of the cluster']);
    const ill = replicaOf(
      2,
      '1-5',
      '1-5',
      { preference: 'must-not', canBeSource: false, executed: gtids('1-5').union(gtids('3', own)) },
      { receiver: 'connecting', applies: false, applierError: 'duplicate entry', delayS: 60 },
    );
    const reasons = refusals(viewOf(primaryOf('1-5'), ill));
    expect(reasons).toHaveLength(6);
    for (const word of ['configuration', 'log_bin', 'receives nothing', 'duplicate entry', '60 s', `${own}:3`]) {
      expect(reasons.join('; ')).toContain(word);
    }
  });

  it('when the primary does not answer, or the candidate lacks much', () => {
    expect(
      refusals(viewOf(primaryOf('1-5', { reach: 'silent', why: 'timed out' }), replicaOf(2, '1-5', '1-5'))),
    ).toEqual(['db1 does not answer (timed out): this would be a failover']);
    expect(refusals(viewOf(primaryOf('1-500'), replicaOf(2, '1-5', '1-500')))).toEqual([
      'db2 lacks 495 transactions of db1, and may lack 100',
    ]);
  });

  it('where acknowledged transactions would be less safe than they are', () => {
    const short = replicaOf(2, '1-5', '1-5');
    const without = replicaOf(2, '1-5', '1-5', { semiSync: undefined });
    expect(refusals(viewOf(primaryOf('1-5'), without))).toEqual(['db2 has no semi-synchronous replication']);
    const two = primaryOf('1-5', {}, { acknowledgements: 2 });
    expect(refusals(viewOf(two, short))).toEqual([expect.stringContaining('would have 1 nodes that give them')]);
    expect(refusals(viewOf(two, short, replicaOf(3, '1-5', '1-5')))).toEqual([]);
  });
});
