import { describe, expect, test, vi } from 'vitest';
import { Rounds } from '../../../../src/runtime/coordinator/rounds.js';

/** Rounds that end when they are let, and begin of themselves only where that is long ago. */
class Watched {
  begun = 0;
  underWay = 0;
  most = 0;
  readonly rounds: Rounds;
  #end: () => void = () => {};

  constructor(pauseMs: number) {
    this.rounds = new Rounds(
      async () => {
        this.begun++;
        this.underWay++;
        this.most = Math.max(this.most, this.underWay);
        await new Promise<void>((resolve) => (this.#end = resolve));
        this.underWay--;
      },
      () => pauseMs,
    );
  }

  async endRound(): Promise<void> {
    this.#end();
    await new Promise(setImmediate);
  }
}

const NEVER_MS = 1_000_000;

describe('rounds', () => {
  test('come one after another, and of themselves', async () => {
    const watched = new Watched(1);
    const started = watched.rounds.start();
    for (let n = 1; n < 5; n++) {
      await vi.waitFor(() => expect(watched.begun).toBe(n));
      await watched.endRound();
    }
    await started;
    await vi.waitFor(() => expect(watched.begun).toBe(5));
    const stopped = watched.rounds.stop();
    await watched.endRound();
    await stopped;
    expect(watched.most).toBe(1);
  });

  test('can be hurried, in a pause and while one is under way, and each time there is a whole one after that', async () => {
    const watched = new Watched(NEVER_MS);
    const started = watched.rounds.start();
    watched.rounds.hurry();
    await watched.endRound();
    await started;
    await vi.waitFor(() => expect(watched.begun).toBe(2));
    await watched.endRound();
    watched.rounds.hurry();
    watched.rounds.hurry();
    await vi.waitFor(() => expect(watched.begun).toBe(3));
    await watched.endRound();
    expect(watched.begun).toBe(3);
    await watched.rounds.stop();
  });

  test('have ended when a stop is through, also one during the first', async () => {
    const watched = new Watched(1);
    const started = watched.rounds.start();
    let isStopped = false;
    const stopped = watched.rounds.stop().then(() => (isStopped = true));
    await new Promise(setImmediate);
    expect(isStopped).toBe(false);
    await watched.endRound();
    await Promise.all([started, stopped]);
    expect(watched.underWay).toBe(0);
    expect(watched.begun).toBe(1);
  });
});
