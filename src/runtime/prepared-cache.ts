/** A statement as one server connection has it prepared. */
export interface ServerStatement {
  /** The id on that connection. */
  readonly id: number;
  /** The parameters' types that the server has seen last, the very same bytes: they are sent once and then left out. */
  boundTypes: Buffer | undefined;
  /** Whoever has long data or an open cursor there, and for how long. */
  readonly owner?: { readonly bound: boolean } | undefined;
}

/** How many statements all connections to one node have prepared together: a server has a bound for all its clients. */
export class PreparedBudget {
  readonly max: number;
  count = 0;

  constructor(max: number) {
    this.max = max;
  }
}

/** The statements that a server connection has prepared, least recently used first. */
export class PreparedCache {
  readonly #statements = new Map<string, ServerStatement>();
  readonly #max: number;
  #budget = new PreparedBudget(Infinity);

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#statements.size;
  }

  /** From now on its statements count among those of the node. */
  share(budget: PreparedBudget): void {
    this.#budget.count -= this.size;
    this.#budget = budget;
    budget.count += this.size;
  }

  get(key: string): ServerStatement | undefined {
    const statement = this.#statements.get(key);
    // While there is room for many more, the order does not matter, and moving one to the end is not free.
    const isRoomy = this.#statements.size < this.#max / 2 && this.#budget.count < this.#budget.max / 2;
    if (statement === undefined || isRoomy) return statement;
    this.#statements.delete(key);
    this.#statements.set(key, statement);
    return statement;
  }

  /** @returns the statements that have to be closed: the one that this replaces, and those that make room */
  add(key: string, statement: ServerStatement): ServerStatement[] {
    const closed: ServerStatement[] = [];
    const replaced = this.#remove(key);
    if (replaced !== undefined) closed.push(replaced);
    this.#statements.set(key, statement);
    this.#budget.count++;
    for (const [oldest, evicted] of this.#statements) {
      const isFull = this.size > this.#max || this.#budget.count > this.#budget.max;
      // The one that is just to run stays, however full the node is, and so does what a cursor is open in.
      if (!isFull || oldest === key) break;
      if (evicted.owner?.bound === true) continue;
      this.#remove(oldest);
      closed.push(evicted);
    }
    return closed;
  }

  #remove(key: string): ServerStatement | undefined {
    const statement = this.#statements.get(key);
    if (this.#statements.delete(key)) this.#budget.count--;
    return statement;
  }

  /** Gives a statement another key. */
  rename(from: string, to: string): ServerStatement | undefined {
    const statement = this.#remove(from);
    if (statement === undefined) return undefined;
    this.#remove(to);
    this.#statements.set(to, statement);
    this.#budget.count++;
    return statement;
  }

  /** The connection has none of them any more. */
  clear(): void {
    this.#budget.count -= this.size;
    this.#statements.clear();
  }
}
