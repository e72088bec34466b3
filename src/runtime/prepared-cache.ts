/** A statement as one server connection has it prepared. */
export interface ServerStatement {
  /** The id on that connection. */
  readonly id: number;
  /** The parameters' types that the server has seen last, the very same bytes: they are sent once and then left out. */
  boundTypes: Buffer | undefined;
}

/** The statements that a server connection has prepared, least recently used first. */
export class PreparedCache {
  readonly #statements = new Map<string, ServerStatement>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#statements.size;
  }

  get(key: string): ServerStatement | undefined {
    const statement = this.#statements.get(key);
    // While there is room for many more, the order does not matter, and moving one to the end is not free.
    if (statement === undefined || this.#statements.size < this.#max / 2) return statement;
    this.#statements.delete(key);
    this.#statements.set(key, statement);
    return statement;
  }

  /** @returns the statements that have to be closed: the one that this replaces, and the one that makes room */
  add(key: string, statement: ServerStatement): ServerStatement[] {
    const closed: ServerStatement[] = [];
    const replaced = this.#statements.get(key);
    if (replaced !== undefined) {
      closed.push(replaced);
      this.#statements.delete(key);
    }
    this.#statements.set(key, statement);
    if (this.#statements.size > this.#max) {
      for (const [oldest, evicted] of this.#statements) {
        this.#statements.delete(oldest);
        closed.push(evicted);
        break;
      }
    }
    return closed;
  }

  /** Gives a statement another key. */
  rename(from: string, to: string): ServerStatement | undefined {
    const statement = this.#statements.get(from);
    if (statement === undefined) return undefined;
    this.#statements.delete(from);
    this.#statements.set(to, statement);
    return statement;
  }

  clear(): void {
    this.#statements.clear();
  }
}
