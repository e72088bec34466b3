import { describe, expect, it } from 'vitest';
import {
  beginFailover,
  stepFailover,
  type FailoverAction,
  type FailoverEvent,
  type Step,
} from '../../../src/failover/failover.js';
import type { Policy } from '../../../src/failover/durability.js';
import type { NodeState } from '../../../src/failover/view.js';
import { gtids, primaryOf, replicaOf, viewOf } from './cluster-of.js';

const DEAD = { reach: 'silent', why: 'timed out' } as const;

function begin(primary: NodeState, replicas: readonly NodeState[], policy: Policy = 'lossless'): Step {
  return beginFailover(viewOf(primary, ...replicas), replicas, { policy, epoch: 7, drainTimeoutMs: 1_000 });
}

function frozen(node: string, received: string, executed: string = received): FailoverEvent {
  return { kind: 'done', task: 'freeze', node, position: { received: gtids(received), executed: gtids(executed) } };
}

function done(task: 'drain' | 'open' | 'forget', node: string): FailoverEvent {
  return { kind: 'done', task, node, position: undefined };
}

function run(first: Step, ...events: readonly FailoverEvent[]): Step {
  return events.reduce((step, event) => stepFailover(step.state, event), first);
}

/** As in `freeze db2`. */
function named(actions: readonly FailoverAction[]): string[] {
  return actions.map((it) => (it.kind === 'task' ? `${it.task.name} ${it.task.node}` : `${it.kind} ${it.node.name}`));
}

const TWO = [replicaOf(2, '1-5', '1-5'), replicaOf(3, '1-5', '1-5')];

describe('a failover', () => {
  it('promotes the replica that has received most, applied or not', () => {
    const first = begin(primaryOf('1-5', DEAD), TWO);
    expect(named(first.actions)).toEqual(['freeze db2', 'freeze db3']);
    const draining = run(first, frozen('db2', '1-6'), frozen('db3', '1-8', '1-3'));
    expect(named(draining.actions)).toEqual(['drain db3']);
    const claiming = run(draining, done('drain', 'db3'));
    expect(named(claiming.actions)).toEqual(['claim db3']);
    const opening = run(claiming, { kind: 'claimed', ok: true });
    expect(named(opening.actions)).toEqual(['open db3', 'repoint db2']);
    const settling = run(opening, done('open', 'db3'));
    expect(named(settling.actions)).toEqual(['announce db3', 'claim db3', 'forget db3', 'fence db1']);
    const { outcome } = run(settling, done('forget', 'db3')).state;
    expect(outcome).toMatchObject({ kind: 'promoted', node: 'db3' });
  });

  it('waits for acknowledgements before it is writable, and drops no relay log before it has everything', () => {
    const step = run(
      begin(primaryOf('1-5', DEAD), TWO),
      frozen('db2', '1-6'),
      frozen('db3', '1-6'),
      done('drain', 'db2'),
      { kind: 'claimed', ok: true },
    );
    const open = step.actions.flatMap((it) => (it.kind === 'task' && it.task.name === 'open' ? it.task.commands : []));
    expect(open.map(({ kind }) => kind)).toEqual([
      'stop-replica',
      'assert-executed',
      'semi-sync-replica',
      'semi-sync-source',
      'open-for-writes',
      'journal',
    ]);
  });

  it('has the new primary wait for acknowledgements only where the old one did', () => {
    const asynchronous = primaryOf('1-5', DEAD, { sourceEnabled: false, sourceActive: false });
    const step = run(
      begin(asynchronous, TWO, 'availability'),
      frozen('db2', '1-6'),
      frozen('db3', '1-6'),
      done('drain', 'db2'),
      { kind: 'claimed', ok: true },
    );
    const open = step.actions.flatMap((it) => (it.kind === 'task' && it.task.name === 'open' ? it.task.commands : []));
    expect(open).toContainEqual({ kind: 'semi-sync-source', on: false, acknowledgements: 0 });
  });

  it('is given up, and everybody receives again, where an acknowledged transaction may be on a replica that is not reached', () => {
    const step = run(begin(primaryOf('1-5', DEAD), TWO), frozen('db2', '1-6'), { kind: 'late' });
    expect(step.state.outcome).toMatchObject({ kind: 'given-up' });
    expect(named(step.actions)).toEqual(['unfreeze db2', 'unfreeze db3']);
  });

  it('is given up where a replica that is away could acknowledge the old primary when it is back', () => {
    const away = replicaOf(4, '1-5', '1-5', { reach: 'silent' }, { receiver: 'connecting' });
    const view = viewOf(primaryOf('1-5', DEAD), ...TWO, away);
    const first = beginFailover(view, TWO, { policy: 'lossless', epoch: 7, drainTimeoutMs: 1_000 });
    expect(run(first, frozen('db2', '1-5'), frozen('db3', '1-5')).state.outcome).toMatchObject({
      kind: 'given-up',
      why: expect.stringContaining('2 of 3 replicas'),
    });
  });

  it('is given up where a node that is away may have been told to follow the primary since it was seen', () => {
    const elsewhere = { receiver: 'off', sourceHost: 'db9', sourceUuid: 'u9' } as const;
    const outcomeWith = (isOutdated: boolean): string | undefined => {
      const away = replicaOf(4, '1-5', '1-5', { reach: 'silent', isOutdated }, elsewhere);
      const view = viewOf(primaryOf('1-5', DEAD), ...TWO, away);
      const first = beginFailover(view, TWO, { policy: 'lossless', epoch: 7, drainTimeoutMs: 1_000 });
      return run(first, frozen('db2', '1-5'), frozen('db3', '1-5')).state.outcome?.kind;
    };
    expect([outcomeWith(true), outcomeWith(false)]).toEqual(['given-up', undefined]);
  });

  it('does not take for lost what only waited for its acknowledgement, where that counts as executed', () => {
    const hanging = primaryOf('1-9', { ...DEAD, acknowledged: gtids('1-6') });
    const step = run(begin(hanging, TWO), frozen('db2', '1-6'), frozen('db3', '1-6'));
    expect(named(step.actions)).toEqual(['drain db2']);
    const uncertain = primaryOf('1-9', { ...DEAD, acknowledged: gtids('1-7') });
    const { state } = run(begin(uncertain, TWO), frozen('db2', '1-6'), frozen('db3', '1-6'));
    expect(state.outcome).toMatchObject({ kind: 'given-up', why: expect.stringContaining('had what no replica has') });
  });

  it('tells exactly what is lost where the policy is availability', () => {
    const asynchronous = primaryOf('1-9', DEAD, { sourceEnabled: false, sourceActive: false });
    expect(run(begin(asynchronous, TWO), frozen('db2', '1-6'), frozen('db3', '1-6')).state.outcome?.kind).toBe(
      'given-up',
    );
    const { state } = run(
      begin(asynchronous, TWO, 'availability'),
      frozen('db2', '1-6'),
      frozen('db3', '1-6'),
      done('drain', 'db2'),
      { kind: 'claimed', ok: true },
      done('open', 'db2'),
      done('forget', 'db2'),
    );
    expect(state.outcome?.kind === 'promoted' ? state.outcome.lost.toString() : '').toBe(gtids('7-9').toString());
  });

  it('opens nobody without the claim, and nobody else once it is not known whether one is open', () => {
    const claiming = run(
      begin(primaryOf('1-5', DEAD), TWO),
      frozen('db2', '1-5'),
      frozen('db3', '1-5'),
      done('drain', 'db2'),
    );
    const refused = run(claiming, { kind: 'claimed', ok: false });
    expect(refused).toMatchObject({ state: { outcome: { kind: 'deposed' } }, actions: [] });
    const opening = run(claiming, { kind: 'claimed', ok: true });
    const unknown: FailoverEvent = {
      kind: 'failed',
      task: 'open',
      node: 'db2',
      command: 'open-for-writes',
      why: 'lost',
      unknown: true,
    };
    expect(run(opening, unknown)).toMatchObject({ state: { outcome: { kind: 'stuck', node: 'db2' } }, actions: [] });
  });

  it('takes its claim back before anybody receives again, and leaves nothing changed, where the candidate cannot be opened', () => {
    const opening = run(
      begin(primaryOf('1-5', DEAD), TWO),
      frozen('db2', '1-9'),
      frozen('db3', '1-8'),
      done('drain', 'db2'),
      { kind: 'claimed', ok: true },
      { kind: 'failed', task: 'open', node: 'db2', command: 'assert-executed', why: 'it is so', unknown: false },
    );
    expect(opening.actions).toMatchObject([{ kind: 'claim', phase: 'promoting', node: { name: 'db1' } }]);
    const ended = run(opening, { kind: 'claimed', ok: true });
    expect(named(ended.actions)).toEqual(['restore db2', 'repoint db3']);
    expect(ended.state.outcome).toMatchObject({ kind: 'given-up', why: expect.stringContaining('it is so') });
    expect(run(opening, { kind: 'claimed', ok: false }).state.outcome).toEqual({ kind: 'deposed' });
  });

  it('has a candidate that was to get from another replica what it lacked follow the old primary again when it is given up', () => {
    const [, third] = TWO;
    const mayNot = replicaOf(2, '1-5', '1-5', { preference: 'must-not' });
    const ended = run(
      begin(primaryOf('1-5', DEAD), third === undefined ? [] : [mayNot, third]),
      frozen('db2', '1-9'),
      frozen('db3', '1-6'),
      { kind: 'failed', task: 'drain', node: 'db3', command: 'wait-executed', why: 'timed out', unknown: false },
    );
    expect(named(ended.actions)).toEqual(['unfreeze db2', 'repoint db3']);
  });

  it('does nothing more once another one may lead', () => {
    for (const step of [
      begin(primaryOf('1-5', DEAD), TWO),
      run(begin(primaryOf('1-5', DEAD), TWO), frozen('db2', '1-5'), frozen('db3', '1-5')),
    ]) {
      expect(run(step, { kind: 'deposed' })).toMatchObject({ state: { outcome: { kind: 'deposed' } }, actions: [] });
    }
  });
});

describe('the choice of a new primary', () => {
  it('leaves out a replica with transactions of its own, which does not follow the new one either', () => {
    const own = '22222222-1111-1111-1111-111111111111';
    const position = { received: gtids('1-9'), executed: gtids('1-9').union(gtids('1', own)) };
    const step = run(
      begin(primaryOf('1-5', DEAD), TWO),
      { kind: 'done', task: 'freeze', node: 'db2', position },
      frozen('db3', '1-9'),
      done('drain', 'db3'),
      { kind: 'claimed', ok: true },
    );
    expect(named(step.actions)).toEqual(['open db3']);
  });

  it('is nobody when a replica with transactions of its own is the only one that has some of the cluster, or they are told of as lost', () => {
    const own = '22222222-1111-1111-1111-111111111111';
    const position = { received: gtids('1-9'), executed: gtids('1-9').union(gtids('1', own)) };
    const events: FailoverEvent[] = [{ kind: 'done', task: 'freeze', node: 'db2', position }, frozen('db3', '1-8')];
    expect(run(begin(primaryOf('1-5', DEAD), TWO), ...events).state.outcome).toMatchObject({
      kind: 'given-up',
      why: expect.stringContaining(gtids('9').toString()),
    });
    const { outcome } = run(
      begin(primaryOf('1-5', DEAD), TWO, 'availability'),
      ...events,
      done('drain', 'db3'),
      { kind: 'claimed', ok: true },
      done('open', 'db3'),
      done('forget', 'db3'),
    ).state;
    expect(outcome?.kind === 'promoted' ? outcome.lost.toString() : '').toBe(gtids('9').toString());
  });

  it('lets one that is preferred, or the only one that may, get what it lacks from the one that is ahead', () => {
    const [, second] = TWO;
    const mayNot = replicaOf(2, '1-5', '1-5', { preference: 'must-not' });
    const step = run(
      begin(primaryOf('1-5', DEAD), second === undefined ? [] : [mayNot, second]),
      frozen('db2', '1-9'),
      frozen('db3', '1-6'),
    );
    const [action] = step.actions;
    expect(action).toMatchObject({
      task: { name: 'drain', node: 'db3', commands: [{ kind: 'follow', host: 'db2' }, { kind: 'wait-executed' }] },
    });
  });

  it('is nobody when the applier of the only one that has everything stands still', () => {
    const stopped = replicaOf(2, '1-3', '1-5', {}, { applies: false, applierError: 'duplicate entry' });
    const step = run(begin(primaryOf('1-5', DEAD, { clients: 1 }), [stopped]), frozen('db2', '1-5', '1-3'));
    expect(step.state.outcome).toMatchObject({ kind: 'given-up', why: expect.stringContaining('duplicate entry') });
  });
});
