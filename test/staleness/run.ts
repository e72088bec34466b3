import type { ConnectionOptions } from 'mysql2/promise';
import { CONSISTENCY_LEVELS, type Consistency } from '../../src/session/consistency.js';
import type { Random } from '../random.js';
import { History, isViolation, type Read, type Verdict } from './history.js';
import { Progress } from './progress.js';

export const SCHEMA = 'staleness';
/** With this SQLSTATE `write_and_fail` ends. */
export const FAILURE = '45000';

/** What came of the reads of one level. */
export interface Tally {
  reads: number;
  onReplica: number;
  violations: number;
  behindOwn: number;
  behindSeen: number;
  behindAll: number;
}

/** A read that broke what its level promises. */
export interface Violation extends Read, Verdict {
  /** The server that answered. */
  readonly node: number;
  readonly step: string;
}

const MAX_KEPT = 20;

/** What all sessions of one run share. Those that go past the proxy have a run of their own. */
export class Run {
  readonly history = new History();
  readonly progress: Progress;
  readonly random: Random;
  readonly server: ConnectionOptions & { host: string; port: number; user: string; password: string };
  /** The primary's server id. */
  readonly primary: number;
  readonly tallies: Readonly<Record<Consistency, Tally>>;
  /** The first ones. */
  readonly violations: Violation[] = [];
  /** How often each step was taken. */
  readonly steps = new Map<string, number>();
  /** MySQL's errors that a session has to expect, by number. */
  readonly errors = new Map<number, number>();
  #sessions = 0;

  constructor(server: Run['server'], primary: number, random: Random, progress = new Progress()) {
    this.server = server;
    this.primary = primary;
    this.random = random;
    this.progress = progress;
    const none = { reads: 0, onReplica: 0, violations: 0, behindOwn: 0, behindSeen: 0, behindAll: 0 };
    this.tallies = {
      eventual: { ...none },
      session: { ...none },
      monotonic: { ...none },
      global: { ...none },
      primary: { ...none },
    };
  }

  nextSession(): number {
    return ++this.#sessions;
  }

  took(step: string): void {
    this.steps.set(step, (this.steps.get(step) ?? 0) + 1);
  }

  /** A read has ended. @param node the server that answered */
  read(read: Read, node: number, step: string): void {
    const verdict = this.history.read(read);
    const tally = this.tallies[read.level];
    tally.reads++;
    if (node !== this.primary) tally.onReplica++;
    if (verdict.behindOwn) tally.behindOwn++;
    if (verdict.behindSeen) tally.behindSeen++;
    if (verdict.behindAll) tally.behindAll++;
    if (isViolation(read, verdict)) {
      tally.violations++;
      if (this.violations.length < MAX_KEPT) this.violations.push({ ...read, ...verdict, node, step });
    }
    this.progress.add();
  }

  /** The level with the fewest reads has so many. */
  get fewestReads(): number {
    return Math.min(...CONSISTENCY_LEVELS.map((level) => this.tallies[level].reads));
  }
}
