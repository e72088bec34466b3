/** Who can reach whom: nodes first, then coordinators, then the store where they agree. Each pair is cut or not, for both directions. */
export class SimNetwork {
  readonly #size: number;
  readonly #cuts: Uint8Array;
  /** Told when a pair has come apart, or together. */
  onChange: (a: number, b: number) => void = () => {};

  constructor(size: number) {
    this.#size = size;
    this.#cuts = new Uint8Array(size * size);
  }

  reaches(a: number, b: number): boolean {
    return this.#cuts[a * this.#size + b] === 0;
  }

  /** Cuts may overlap: each is taken back for itself. */
  cut(a: number, b: number, by: 1 | -1): void {
    if (a === b) return;
    const count = (this.#cuts[a * this.#size + b] ?? 0) + by;
    this.#cuts[a * this.#size + b] = count;
    this.#cuts[b * this.#size + a] = count;
    this.onChange(a, b);
  }
}
