/** Who has connections of a budget. */
export interface BudgetUser {
  /** Nobody uses one of its connections. */
  readonly hasIdle: boolean;
  /** Others wait: lets go of a connection that nobody uses. @returns whether it does, soon */
  spare(): boolean;
  /** Others wait, and nothing lies idle: takes a connection from a session that keeps it and could do without. @returns whether it does, soon */
  reclaim(): boolean;
}

/**
 * How many connections one user may have on one node, in all pools together: clients that talk differently cannot share connections,
 * and have pools of their own.
 */
export class ConnectionBudget {
  readonly max: number;
  readonly #users = new Set<BudgetUser>();
  readonly #waiting: (() => void)[] = [];
  #open = 0;
  #spared = false;

  constructor(max: number) {
    this.max = max;
  }

  get open(): number {
    return this.#open;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  join(user: BudgetUser): void {
    this.#users.add(user);
  }

  leave(user: BudgetUser): void {
    this.#users.delete(user);
  }

  /** Whether there is a connection that nobody uses, in another pool. */
  hasIdleBeside(user: BudgetUser): boolean {
    return this.#others(user).some((other) => other.hasIdle);
  }

  /** Resolves when a connection may be opened: {@link free} has to follow when it is gone. */
  async take(user: BudgetUser): Promise<void> {
    if (this.#open < this.max) {
      this.#open++;
      return;
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      const others = this.#others(user);
      if (others.some((other) => other.spare())) return;
      [...others, user].some((any) => any.reclaim());
    });
  }

  #others(user: BudgetUser): BudgetUser[] {
    return [...this.#users].filter((other) => other !== user);
  }

  free(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#open--;
    else next();
  }

  /**
   * A connection is free to be used again. Where pools wait for room and its own clients do too, they take turns.
   * @param wanted its own clients wait for it
   * @returns whether it is to be closed, so that another pool may open one
   */
  makesRoom(wanted: boolean): boolean {
    if (this.#waiting.length === 0) return false;
    this.#spared = !wanted || !this.#spared;
    return this.#spared;
  }
}
