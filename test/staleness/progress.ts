/** Counts reads, and lets others wait until there have been more: so that nothing depends on how fast a machine is. */
export class Progress {
  #count = 0;
  #ended = false;
  readonly #waiting: { readonly at: number; readonly resolve: () => void }[] = [];

  get ended(): boolean {
    return this.#ended;
  }

  add(): void {
    this.#count++;
    this.#wake((at) => at <= this.#count);
  }

  /** Resolves when there have been so many more, or there will be no more. */
  async after(more: number): Promise<void> {
    if (this.#ended) return;
    const at = this.#count + more;
    await new Promise<void>((resolve) => this.#waiting.push({ at, resolve }));
  }

  end(): void {
    this.#ended = true;
    this.#wake(() => true);
  }

  #wake(isDue: (at: number) => boolean): void {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const one = this.#waiting[i];
      if (one === undefined || !isDue(one.at)) continue;
      this.#waiting.splice(i, 1);
      one.resolve();
    }
  }
}
