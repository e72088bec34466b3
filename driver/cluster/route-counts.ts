export interface RouteCount {
  readonly node: string;
  readonly to: 'primary' | 'replica';
  readonly reason: string;
  readonly statements: number;
}

interface Count {
  to: 'primary' | 'replica';
  statements: number;
}

/** How many statements ran where, and why. */
export class RouteCounts {
  readonly #byNode = new Map<string, Map<string, Count>>();

  ran(node: string, to: 'primary' | 'replica', reason: string): void {
    const reasons = this.#byNode.get(node);
    const count = reasons?.get(reason);
    if (count !== undefined && count.to === to) count.statements++;
    else if (reasons === undefined) this.#byNode.set(node, new Map([[reason, { to, statements: 1 }]]));
    else reasons.set(reason, { to, statements: 1 });
  }

  /** Most first. */
  get rows(): RouteCount[] {
    return [...this.#byNode]
      .flatMap(([node, reasons]) => [...reasons].map(([reason, count]) => ({ node, reason, ...count })))
      .sort((a, b) => b.statements - a.statements);
  }
}
