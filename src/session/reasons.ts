/** Reasons that hold now, each with the time since which it does. */
export class Reasons<T extends string> extends Set<T> {
  /** What counts as now: whoever adds reasons keeps it. */
  nowMs = 0;
  // Sessions without any reason are the many: they are not to pay for it.
  #sinceMs: Map<T, number> | undefined;

  override add(reason: T): this {
    if (!this.has(reason)) {
      this.#sinceMs ??= new Map();
      this.#sinceMs.set(reason, this.nowMs);
    }
    return super.add(reason);
  }

  override delete(reason: T): boolean {
    this.#sinceMs?.delete(reason);
    return super.delete(reason);
  }

  override clear(): void {
    this.#sinceMs = undefined;
    super.clear();
  }

  sinceMs(reason: T): number | undefined {
    return this.#sinceMs?.get(reason);
  }
}
