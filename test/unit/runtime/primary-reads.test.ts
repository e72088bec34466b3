import { beforeEach, describe, expect, test } from 'vitest';
import { PrimaryReads } from '../../../src/runtime/primary-reads.js';
import type { Snapshot } from '../../../src/topology/snapshot.js';

let nodes: number;
let seen: string[];
beforeEach(() => {
  nodes = 3;
  seen = [];
});

/** Nobody looks at more of the nodes than how many there are. */
function primaryReads(max?: number): PrimaryReads {
  const snapshot = (): Pick<Snapshot, 'nodes'> => ({ nodes: Array.from({ length: nodes }) });
  return new PrimaryReads({ max, maxBesideOthers: 1, queueMax: 2, timeoutMs: undefined, snapshot });
}

function take(reads: PrimaryReads, ...names: readonly string[]): void {
  for (const name of names) {
    reads.take(
      () => seen.push(name),
      (why) => seen.push(`${name}: ${why}`),
    );
  }
}

describe('reads that the primary answers in the place of a replica', () => {
  test('wait until one ends, as far as there is room to wait', () => {
    const reads = primaryReads();
    take(reads, 'a', 'b', 'c', 'd');
    expect(seen).toEqual(['a', expect.stringMatching(/^d: .* as many such reads as it may \(1\); 2 more wait$/)]);
    expect(reads.takeNow()).toBe(false);
    reads.free();
    expect(seen.at(-1)).toBe('b');
  });

  test('wait for nothing where the primary is the only node, unless somebody has set how many may run', () => {
    nodes = 1;
    take(primaryReads(), 'a', 'b', 'c');
    expect(seen).toEqual(['a', 'b', 'c']);
    take(primaryReads(1), 'd', 'e');
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
  });

  test('wait for those that began while it was the only node, when it is not any more', () => {
    nodes = 1;
    const reads = primaryReads();
    take(reads, 'a', 'b');
    nodes = 3;
    take(reads, 'c');
    reads.free();
    expect(seen).toEqual(['a', 'b']);
    reads.free();
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  test('that wait have their turn when it becomes the only node, however many come then', () => {
    const reads = primaryReads();
    take(reads, 'a', 'b');
    nodes = 1;
    take(reads, 'c', 'd');
    reads.free();
    expect(seen).toEqual(['a', 'c', 'd', 'b']);
  });
});
