import { AsyncLocalStorage } from 'node:async_hooks';
import { DEFAULTS } from '../../src/defaults.js';
import { Commits } from '../../src/session/commits.js';
import type { Consistency } from '../../src/session/consistency.js';
import { Freshness } from '../../src/session/freshness.js';
import type { Untold } from '../../src/session/untold-commits.js';
import { GtidSet } from '../../src/topology/gtid-set.js';

/** Whose own writes reads have to see: those of all who use the pool, or of one request. */
export class Scope {
  readonly freshness: Freshness;

  constructor(freshness: Freshness) {
    this.freshness = freshness;
  }
}

/** The scopes of a pool. What is written in one is written in the pool's, too. */
export class Scopes {
  readonly #level: Consistency;
  readonly #committed = new Commits();
  readonly #ofPool: Scope;
  readonly #storage = new AsyncLocalStorage<Scope>();
  /** Looking into the storage costs something: applications that never use it do not pay. */
  #isUsed = false;

  constructor(level: Consistency) {
    this.#level = level;
    this.#ofPool = new Scope(new Freshness(level, this.#committed));
  }

  get current(): Scope {
    return this.#isUsed ? (this.#storage.getStore() ?? this.#ofPool) : this.#ofPool;
  }

  /** A write was acknowledged. */
  wrote(scope: Scope, gtids: string): void {
    scope.freshness.wrote(gtids);
    if (scope !== this.#ofPool) this.#ofPool.freshness.wrote(gtids);
  }

  /** Something was committed, or may have been, and its answer does not tell what. */
  wroteUntold(scope: Scope, untold: Untold): void {
    const nowMs = Date.now();
    scope.freshness.wroteUntold(untold, nowMs);
    if (scope !== this.#ofPool) this.#ofPool.freshness.wroteUntold(untold, nowMs);
  }

  /** A server became the primary with these: what the one before had acknowledged beyond them is nowhere, and nobody waits for it. */
  promoted(serverUuid: string, gtids: GtidSet): void {
    this.#committed.promoted(serverUuid, gtids);
  }

  /** Runs `work` in a scope of its own. @param token of another scope, whose writes are to be seen here */
  run<T>(work: () => T, token?: string): T {
    const scope = new Scope(new Freshness(this.#level, this.#committed));
    if (token !== undefined && token !== '') {
      const set = token.length > DEFAULTS.tokenBytes ? undefined : GtidSet.parse(token);
      if (set === undefined) throw new TypeError('this is no token of a pool: take what token() gave');
      scope.freshness.mustSee(set);
    }
    this.#isUsed = true;
    return this.#storage.run(scope, work);
  }
}
