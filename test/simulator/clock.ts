interface Timed {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that passes only from one event to the next: a binary heap of what is to happen. */
export class SimClock {
  nowMs = 0;
  readonly #heap: Timed[] = [];
  #order = 0;

  after(delayMs: number, run: () => void): void {
    const heap = this.#heap;
    const item = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || isBefore(parent, item)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = item;
  }

  /** @returns false when nothing is to happen any more */
  next(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return false;
    if (first !== last) this.#sink(last);
    this.nowMs = first.atMs;
    first.run();
    return true;
  }

  #sink(item: Timed): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      const left = heap[down];
      if (left === undefined) break;
      const right = heap[down + 1];
      let child = left;
      if (right !== undefined && isBefore(right, left)) {
        child = right;
        down++;
      }
      if (isBefore(item, child)) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = item;
  }
}

function isBefore(a: Timed, b: Timed): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
