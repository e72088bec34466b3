import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext, runInThisContext } from 'node:vm';
import { randomFrom } from '../random.js';
import { mutate } from './mutate.js';
import type { FuzzTarget } from './target.js';

/** One run of one target. The same seed and bytes are the same run. */
export interface FuzzCase {
  readonly target: string;
  readonly seed: number;
  readonly bytes: Buffer;
}

export interface FuzzFailure extends FuzzCase {
  readonly problem: string;
}

export interface FuzzReport {
  readonly cases: number;
  readonly failures: readonly FuzzFailure[];
  /** What the heap and the buffers beside it have grown by, from the end of the first tenth to the end of the run. */
  readonly grownBytes: number;
}

export interface FuzzLimits {
  /** The run ends when one of them is reached. */
  readonly seconds: number;
  readonly cases: number;
}

export type Targets = Readonly<Record<string, FuzzTarget>>;

const BATCH = 200;
/** For a whole batch: what takes so long does not end. */
const BATCH_TIMEOUT_MS = 30_000;
const MAX_FAILURES = 20;

/** @returns what is wrong with one case */
export function problemOf(target: FuzzTarget, { seed, bytes }: FuzzCase): string | undefined {
  try {
    return target.run(Buffer.from(bytes), randomFrom(seed));
  } catch (error) {
    return `it threw ${error instanceof Error ? error.stack : String(error)}`;
  }
}

/** Lets targets in turn read mutated samples. */
export async function fuzz(targets: Targets, masterSeed: number, limits: FuzzLimits): Promise<FuzzReport> {
  const names = Object.keys(targets);
  const startedAt = performance.now();
  const share = (): number =>
    Math.max((performance.now() - startedAt) / (limits.seconds * 1000), cases / Math.max(1, limits.cases));
  const failures: FuzzFailure[] = [];
  let cases = 0;
  let warmBytes: number | undefined;
  let underWay: FuzzCase | undefined;

  const batch = (): void => {
    for (let i = 0; i < BATCH && cases < limits.cases; i++, cases++) {
      const name = names[cases % names.length] ?? '';
      const target = targets[name];
      if (target === undefined) return;
      const seed = (masterSeed + Math.imul(cases + 1, 0x9e3779b1)) >>> 0;
      // Not the numbers that the target gets: what it makes of them is no help in finding the bytes again.
      underWay = { target: name, seed, bytes: mutate(target.samples, randomFrom(~seed)) };
      const problem = problemOf(target, underWay);
      if (problem !== undefined) failures.push({ ...underWay, problem });
    }
  };
  while (share() < 1 && failures.length < MAX_FAILURES) {
    // What native code holds is let go of in a turn of its own.
    await setImmediate();
    if (warmBytes === undefined && share() >= 0.1) warmBytes = await usedBytes();
    const ended = endsInTime(batch);
    if (!ended && underWay !== undefined) {
      failures.push({ ...underWay, problem: `it does not end within ${BATCH_TIMEOUT_MS / 1000} s` });
      break;
    }
  }
  const endBytes = await usedBytes();
  return { cases, failures, grownBytes: endBytes - (warmBytes ?? endBytes) };
}

/** Only the engine itself can end a loop that does not. */
function endsInTime(work: () => void): boolean {
  Object.assign(globalThis, { fuzzBatch: work });
  try {
    runInThisContext('globalThis.fuzzBatch()', { timeout: BATCH_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false;
    throw error;
  } finally {
    Reflect.deleteProperty(globalThis, 'fuzzBatch');
  }
}

/** What is left after a collection. */
async function usedBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('this engine does not show its collector');
  // Buffers are let go of by what the first round finds.
  for (let round = 0; round < 3; round++) {
    collect();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
