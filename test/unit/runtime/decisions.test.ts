import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Decisions, stepOf, type DecisionBasis } from '../../../src/runtime/failover/decisions.js';
import { createLog } from '../../../src/runtime/log.js';
import { primaryOf, replicaOf, viewOf } from '../failover/cluster-of.js';

const directory = mkdtempSync(join(tmpdir(), 'rwsplit-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

const BASIS: DecisionBasis = {
  kind: 'failover',
  epoch: 7,
  why: 'db1 does not answer',
  diagnosis: 'dead',
  view: viewOf(primaryOf('1-5', { reach: 'silent' }), replicaOf(2, '1-4', '1-5')),
};
const FREEZE = { name: 'freeze', node: 'db2', why: 'so that it acknowledges nothing' } as const;

function read(path: string): unknown[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line): unknown => JSON.parse(line));
}

describe('a decision', () => {
  test('is added to the file with what it saw, what was done for it, and what came of it', async () => {
    const path = join(directory, 'decisions.jsonl');
    for (const outcome of ['db2 is the primary', 'failed: nobody is fit']) {
      const decisions = new Decisions(path, createLog('silent'));
      await decisions.open();
      decisions.begin(BASIS);
      decisions.noted(stepOf(FREEZE, { kind: 'done', task: 'freeze', node: 'db2', position: undefined }));
      const why = 'gone';
      decisions.noted(
        stepOf(FREEZE, { kind: 'failed', task: 'freeze', node: 'db2', command: 'read-position', why, unknown: true }),
      );
      decisions.end(outcome);
      await decisions.close();
    }
    expect(read(path)).toMatchObject([
      {
        kind: 'failover',
        epoch: 7,
        why: 'db1 does not answer',
        diagnosis: 'dead',
        snapshot: { primary: { name: 'db1', reach: 'silent' }, others: [{ name: 'db2' }] },
        steps: [
          { step: 'freeze', node: 'db2', outcome: 'done' },
          { step: 'freeze', node: 'db2', outcome: 'unknown at read-position: gone' },
        ],
        outcome: 'db2 is the primary',
      },
      { outcome: 'failed: nobody is fit' },
    ]);
  });

  test('for which nothing was done, and that has no outcome, is none', () => {
    const decisions = new Decisions(undefined, createLog('silent'));
    decisions.begin({ ...BASIS, kind: 'upkeep' });
    decisions.end('');
    expect(decisions.last).toEqual([]);
    decisions.add({ ...BASIS, kind: 'refused' }, [], 'it does not lead');
    expect(decisions.last).toMatchObject([{ kind: 'refused', outcome: 'it does not lead', steps: [] }]);
  });

  test('is shown for a while only', () => {
    const decisions = new Decisions(undefined, createLog('silent'));
    for (let n = 0; n < 25; n++) decisions.add(BASIS, [], `outcome ${n}`);
    expect(decisions.last.map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 10 }, (_, n) => `outcome ${15 + n}`),
    );
  });
});

test('a file that cannot be written is told before anything is decided', async () => {
  const decisions = new Decisions(join(directory, 'no', 'such', 'directory'), createLog('silent'));
  await expect(decisions.open()).rejects.toThrow(/^failover.audit cannot be written: ENOENT/);
});
