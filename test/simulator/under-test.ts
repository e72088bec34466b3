import { diagnose } from '../../src/failover/diagnosis.js';
import { beginFailover, stepFailover } from '../../src/failover/failover.js';
import { beginSwitchover, stepSwitchover } from '../../src/failover/switchover.js';
import type { Task } from '../../src/failover/task.js';
import { askAnewOf, upkeepOf } from '../../src/failover/upkeep.js';
import { ENVIRONMENT, type Environment } from './world.js';

/** What is under test: the code itself, or with a bug put back in. */
export interface UnderTest {
  readonly diagnose: typeof diagnose;
  readonly beginFailover: typeof beginFailover;
  readonly stepFailover: typeof stepFailover;
  readonly beginSwitchover: typeof beginSwitchover;
  readonly stepSwitchover: typeof stepSwitchover;
  readonly upkeepOf: typeof upkeepOf;
  readonly askAnewOf: typeof askAnewOf;
  /** What is sent in place of a task. */
  readonly taskOf: (task: Task) => Task;
  /** Nothing is begun without looking at the lease once more. */
  readonly rechecksLease: boolean;
  /** What was written down while something was done is acted on before anything else is. */
  readonly notesWhatItMissed: boolean;
  /** Upkeep does nothing with a node that has not been looked at since something was done there. */
  readonly looksBeforeUpkeep: boolean;
  readonly environment: Environment;
}

export const REAL: UnderTest = {
  diagnose,
  beginFailover,
  stepFailover,
  beginSwitchover,
  stepSwitchover,
  upkeepOf,
  askAnewOf,
  taskOf: (task) => task,
  rechecksLease: true,
  notesWhatItMissed: true,
  looksBeforeUpkeep: true,
  environment: ENVIRONMENT,
};
