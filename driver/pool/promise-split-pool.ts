import { corePromise, type CorePool, type CorePromisePool } from '../mysql2/internals.js';
import type { Explanation, PoolStatus } from './status.js';

const OWN_EVENTS = ['failover', 'topology', 'log'] as const;

/** What the promise's pool needs of the other. */
export interface SplitPoolCore extends CorePool {
  readonly primary: CorePool;
  readonly replica: CorePool;
  token(): Promise<string>;
  withToken<T>(token: string | undefined, work: () => T): T;
  scope<T>(work: () => T): T;
  explain(sql: string, values?: unknown): Promise<Explanation>;
  switchover(to: string): Promise<void>;
  status(): PoolStatus;
}

/** mysql2's promise pool, with what ours have beside. */
export class PromiseSplitPool extends corePromise.PromisePool {
  readonly #core: SplitPoolCore;
  readonly #implementation: PromiseConstructor | undefined;
  #primary: CorePromisePool | undefined;
  #replica: CorePromisePool | undefined;

  constructor(core: SplitPoolCore, implementation: PromiseConstructor | undefined) {
    super(core, implementation);
    this.#core = core;
    this.#implementation = implementation;
    for (const event of OWN_EVENTS) core.on(event, (...told: unknown[]) => this.emit(event, ...told));
  }

  get primary(): CorePromisePool {
    this.#primary ??= new corePromise.PromisePool(this.#core.primary, this.#implementation);
    return this.#primary;
  }

  get replica(): CorePromisePool {
    this.#replica ??= new corePromise.PromisePool(this.#core.replica, this.#implementation);
    return this.#replica;
  }

  async token(): Promise<string> {
    return this.#core.token();
  }

  withToken<T>(token: string | undefined, work: () => T): T {
    return this.#core.withToken(token, work);
  }

  scope<T>(work: () => T): T {
    return this.#core.scope(work);
  }

  async explain(sql: string, values?: unknown): Promise<Explanation> {
    return this.#core.explain(sql, values);
  }

  async switchover(to: string): Promise<void> {
    return this.#core.switchover(to);
  }

  status(): PoolStatus {
    return this.#core.status();
  }
}
