/** One thing after another is done with the cluster: who finds the turn taken comes again later. */
export class Turn {
  #holder: 'none' | 'waited-for' | 'gives-way' = 'none';
  readonly #onEnd: () => void;

  /** @param onEnd called when it is free again */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get isTaken(): boolean {
    return this.#holder !== 'none';
  }

  /** What is being done waits for nobody, and a failover does not wait for it. */
  get givesWay(): boolean {
    return this.#holder === 'gives-way';
  }

  takeGivingWay(): void {
    this.#holder = 'gives-way';
  }

  /** Nothing else is done until it has come to its end. */
  async during<T>(act: () => Promise<T>): Promise<T> {
    this.#holder = 'waited-for';
    try {
      return await act();
    } finally {
      this.end();
    }
  }

  /** What is being done comes to its end at once: it is not to be told so again. */
  giveWay(): void {
    if (this.givesWay) this.#holder = 'waited-for';
  }

  end(): void {
    this.#holder = 'none';
    this.#onEnd();
  }
}
