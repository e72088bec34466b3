import { expect, it } from 'vitest';
import { mayHaveAttached, type Command, type TaskEnd } from '../../../src/failover/task.js';
import { fenceTask, repointTask } from '../../../src/failover/tasks.js';
import { gtids, primaryOf, replicaOf } from './cluster-of.js';

function failedAt(command: Command['kind']): TaskEnd {
  return { kind: 'failed', task: 'repoint', node: 'db2', command, why: 'it is so', unknown: true };
}

// Else one failover, whose old primary stays away, would keep the next one from being lossless.
it('a node that was fenced, or could not be, receives from nobody else than before', () => {
  const task = fenceTask(primaryOf('1-5'));
  expect(mayHaveAttached(task, failedAt('offline'))).toBe(false);
  expect(mayHaveAttached(task, { kind: 'done', task: 'fence', node: 'db1', position: undefined })).toBe(false);
});

it('a node that was told whom to follow may do so, whether it said so or not, and only from then on', () => {
  const task = repointTask(replicaOf(2, '1-5', '1-5'), primaryOf('1-5'), gtids('1-5'));
  expect(mayHaveAttached(task, failedAt('assert-nothing-else'))).toBe(false);
  expect(mayHaveAttached(task, failedAt('follow'))).toBe(true);
  expect(mayHaveAttached(task, { kind: 'done', task: 'repoint', node: 'db2', position: undefined })).toBe(true);
});
