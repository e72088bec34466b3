import { open, type FileHandle } from 'node:fs/promises';
import type { TaskEnd } from '../../failover/task.js';
import type { ClusterView } from '../../failover/view.js';
import type { EventLog } from '../event-log.js';
import { loggable } from './loggable.js';

/** One thing that was done for a decision. */
export interface DecisionStep {
  readonly step: string;
  readonly node: string;
  readonly why: string;
  /** `done`; or why not, with the command that failed. */
  readonly outcome: string;
}

export type DecisionKind = 'failover' | 'switchover' | 'refused' | 'ask-anew' | 'upkeep' | 'rebuild';

/** On what it was decided. */
export interface DecisionBasis {
  readonly kind: DecisionKind;
  readonly epoch: number | undefined;
  readonly why: string;
  readonly diagnosis?: string | undefined;
  readonly view: ClusterView;
}

/** What was decided, and what has come of it. */
export interface Decision {
  /** When it began, and ended. */
  readonly at: string;
  readonly until: string;
  readonly kind: DecisionKind;
  readonly epoch: number | undefined;
  readonly why: string;
  readonly diagnosis: string | undefined;
  /** What was known of the nodes. */
  readonly snapshot: object;
  readonly steps: readonly DecisionStep[];
  readonly outcome: string;
}

/** So many are shown. */
const KEPT = 10;

/** Each decision, in order: the last ones for those who ask, all in a file where one is named. */
export class Decisions {
  readonly #path: string | undefined;
  readonly #log: EventLog;
  readonly #last: Decision[] = [];
  #file: FileHandle | undefined;
  #writing: Promise<void> = Promise.resolve();
  #current: { readonly basis: DecisionBasis; readonly at: string; readonly steps: DecisionStep[] } | undefined;

  /** @param path of a file to which a line of JSON is added for each, and is on the disk before the next one */
  constructor(path: string | undefined, log: EventLog) {
    this.#path = path;
    this.#log = log;
  }

  /** @throws Error with one clear sentence where the file cannot be written */
  async open(): Promise<void> {
    if (this.#path === undefined) return;
    try {
      this.#file = await open(this.#path, 'a', 0o600);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`failover.audit cannot be written: ${why}`, { cause: error });
    }
  }

  get last(): readonly Decision[] {
    return this.#last;
  }

  /** What is done from now on belongs to it. */
  begin(basis: DecisionBasis): void {
    this.#current = { basis, at: now(), steps: [] };
  }

  noted(step: DecisionStep): void {
    this.#current?.steps.push(step);
  }

  /** One that nothing was done for, and whose outcome says nothing, was none. */
  end(outcome: string): void {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined || (current.steps.length === 0 && outcome === '')) return;
    this.#keep(current.basis, current.at, current.steps, outcome);
  }

  /** One that is over at once, or that went on beside others. */
  add(basis: DecisionBasis, steps: readonly DecisionStep[], outcome: string): void {
    this.#keep(basis, now(), steps, outcome);
  }

  /** Resolves when all is written. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  #keep(basis: DecisionBasis, at: string, steps: readonly DecisionStep[], outcome: string): void {
    const { kind, epoch, why, diagnosis, view } = basis;
    const decision = { at, until: now(), kind, epoch, why, diagnosis, snapshot: loggable(view), steps, outcome };
    this.#last.push(decision);
    if (this.#last.length > KEPT) this.#last.shift();
    const file = this.#file;
    if (file === undefined) return;
    // Nothing waits for the disk: a failover has no time.
    this.#writing = this.#writing.then(async () => this.#write(file, `${JSON.stringify(decision)}\n`));
  }

  async #write(file: FileHandle, line: string): Promise<void> {
    try {
      await file.appendFile(line);
      await file.datasync();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#log.error(`a decision could not be written to ${this.#path}: ${why}`);
    }
  }
}

export function stepOf(
  task: { readonly name: string; readonly node: string; readonly why: string },
  end: TaskEnd,
): DecisionStep {
  const outcome = end.kind === 'done' ? 'done' : `${end.unknown ? 'unknown' : 'failed'} at ${end.command}: ${end.why}`;
  return { step: task.name, node: task.node, why: task.why, outcome };
}

function now(): string {
  return new Date().toISOString();
}
