import type { FailoverEvent } from '../../src/failover/failover.js';
import type { Command, Task } from '../../src/failover/task.js';
import { REAL, type UnderTest } from './under-test.js';

/** Bugs that others have had, or that measurements have shown, put back in from outside. */
export const MUTATIONS: Readonly<Record<string, UnderTest>> = {
  /** VTOrc, vitess#21092: the source is reset while the relay log has what was acknowledged, and not applied. */
  'the relay log is dropped before it is applied': withTasks((task) => {
    if (task.name === 'drain') return { ...task, commands: [{ kind: 'stop-replica' }, { kind: 'forget-source' }] };
    return task.name === 'open' ? without(task, 'assert-executed') : task;
  }),
  /** Orchestrator #1312, #1303, #1260. */
  'the candidate is chosen by what it has executed': {
    ...REAL,
    stepFailover: (state, event) => REAL.stepFailover(state, executedOnly(event)),
  },
  /** Measured: 1,929 acknowledged writes lost. */
  'an old primary stops waiting for acknowledgements before its clients are gone': withTasks((task) => {
    if (task.name !== 'fence') return task;
    const isRelease = ({ kind }: Command): boolean => kind === 'semi-sync-source';
    return { ...task, commands: [...task.commands.filter(isRelease), ...task.commands.filter((it) => !isRelease(it))] };
  }),
  'the lease is not looked at again before each step': {
    ...REAL,
    rechecksLease: false,
    // That would keep it from the worst.
    environment: { ...REAL.environment, endsSessions: 'none' },
  },
  'too few of those that acknowledge are asked': {
    ...REAL,
    beginFailover: ({ nowMs, primary, others }, ackers, settings) => {
      const semiSync = primary?.semiSync && { ...primary.semiSync, clients: primary.semiSync.acknowledgements };
      const answering = others.filter(({ reach }) => reach === 'answers');
      const view = { nowMs, primary: primary && { ...primary, semiSync }, others: answering };
      return REAL.beginFailover(view, ackers.slice(0, semiSync?.acknowledgements ?? 0), settings);
    },
  },
  'replicas go on receiving while one is chosen': withTasks((task) =>
    task.name === 'freeze' ? without(task, 'stop-receiving') : task,
  ),
  'a switchover does not close the old primary': withTasks((task) =>
    task.name === 'close' ? without(task, 'close-for-writes') : task,
  ),
  'a switchover does not wait for the candidate': withTasks((task) => {
    if (task.name === 'drain') return { ...task, commands: [] };
    return task.name === 'open' ? without(task, 'assert-executed') : task;
  }),
  'nobody takes up what a leader left half done': {
    ...REAL,
    upkeepOf: (view, { promoting: _promoting, ...memory }) => REAL.upkeepOf(view, memory),
  },
  'replicas that a leader stopped are not started by the next': { ...REAL, askAnewOf: () => [] },
  'replicas start by themselves (skip_replica_start)': inEnvironment({ skipsReplicaStart: false }),
};

/** What takes ten thousands of histories, or more, to be found, with one in which it shows. */
export const RARE_MUTATIONS: Readonly<Record<string, { readonly code: UnderTest; readonly seed: number }>> = {
  'commands of its own older sessions are still carried out': {
    code: inEnvironment({ endsSessions: 'others' }),
    seed: 147_496,
  },
  'commands of older sessions are still carried out': {
    code: inEnvironment({ endsSessions: 'none' }),
    seed: 147_496,
  },
  'a leader forgets what it wrote down before its lease ran short': {
    code: { ...REAL, notesWhatItMissed: false },
    seed: 421_836,
  },
};

function withTasks(taskOf: UnderTest['taskOf']): UnderTest {
  return { ...REAL, taskOf };
}

function inEnvironment(change: Partial<UnderTest['environment']>): UnderTest {
  return { ...REAL, environment: { ...REAL.environment, ...change } };
}

function without(task: Task, kind: Command['kind']): Task {
  return { ...task, commands: task.commands.filter((it) => it.kind !== kind) };
}

function executedOnly(event: FailoverEvent): FailoverEvent {
  if (event.kind !== 'done' || event.position === undefined) return event;
  const { executed } = event.position;
  return { ...event, position: { executed, received: executed } };
}
