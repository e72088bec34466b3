interface MachineStep<S, A> {
  readonly state: S;
  readonly actions: readonly A[];
}

interface Surroundings<S, E, A> {
  readonly step: (state: S, event: E) => MachineStep<S, A>;
  readonly perform: (action: A, done: (event: E | undefined) => void) => void;
  readonly lateAfterMs: (state: S) => number;
  readonly after: (ms: number, run: () => void) => void;
  readonly onPhase: (phase: string) => void;
  readonly ended: (state: S) => void;
}

/** More steps than this, and it goes in circles. */
const MAX_STEPS = 1_000;

/** Takes a machine from its first step to its end, as `src/runtime/failover/drive.ts` does. */
export class Machine<S extends { readonly phase: string }, E, A> {
  readonly #surroundings: Surroundings<S, E | { readonly kind: 'late' }, A>;
  #underWay = 0;
  #steps = 0;
  #phaseNumber = 0;
  #isOver = false;

  constructor(surroundings: Surroundings<S, E | { readonly kind: 'late' }, A>) {
    this.#surroundings = surroundings;
  }

  begin(first: MachineStep<S, A>): void {
    let { state } = first;
    const { step, perform, onPhase, ended } = this.#surroundings;
    const endIfOver = (): void => {
      if (state.phase !== 'ended' || this.#underWay > 0 || this.#isOver) return;
      this.#isOver = true;
      ended(state);
    };
    const start = (actions: readonly A[]): void => {
      this.#underWay += actions.length;
      for (const action of actions) {
        let isDone = false;
        perform(action, (event) => {
          if (isDone) throw new Error('an action ended twice');
          isDone = true;
          this.#underWay--;
          if (event !== undefined) take(event);
          endIfOver();
        });
      }
    };
    const take = (event: E | { readonly kind: 'late' }): void => {
      if (state.phase === 'ended') return;
      if (++this.#steps > MAX_STEPS) throw new Error('the machine goes in circles');
      const before = state.phase;
      const next = step(state, event);
      ({ state } = next);
      if (state.phase !== before) {
        onPhase(state.phase);
        this.#limit(state, take);
      }
      start(next.actions);
    };
    start(first.actions);
    this.#limit(state, take);
    endIfOver();
  }

  #limit(state: S, take: (event: { readonly kind: 'late' }) => void): void {
    const number = ++this.#phaseNumber;
    if (state.phase === 'ended') return;
    this.#surroundings.after(this.#surroundings.lateAfterMs(state), () => {
      if (number === this.#phaseNumber) take({ kind: 'late' });
    });
  }
}
