/** What a machine of `src/failover/` is in, and what it wants done. */
export interface MachineStep<State, Action> {
  readonly state: State;
  readonly actions: readonly Action[];
}

export interface Drive<State, Event, Action> {
  step(state: State, event: Event): MachineStep<State, Action>;
  /** Does it; never rejects. @returns what has come of it, for the machine */
  perform(action: Action): Promise<Event | undefined>;
  /** How long the phase that the machine is in may last. */
  lateAfterMs(state: State): number;
  late(): Event;
}

/**
 * Takes a machine from its first step to its end: actions are done side by side, and what comes of them goes in one after another.
 * @returns its last state, when all that it wanted has been done
 */
export async function drive<State extends { readonly phase: string }, Event, Action>(
  first: MachineStep<State, Action>,
  machine: Drive<State, Event, Action>,
): Promise<State> {
  let { state } = first;
  const underWay = new Set<Promise<void>>();
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const take = (event: Event): void => {
      const before = state.phase;
      const next = machine.step(state, event);
      ({ state } = next);
      begin(next.actions);
      if (state.phase !== before) limit();
    };
    const begin = (actions: readonly Action[]): void => {
      for (const action of actions) {
        const done = machine.perform(action).then((event) => {
          underWay.delete(done);
          if (event !== undefined && state.phase !== 'ended') take(event);
          endIfOver();
        });
        underWay.add(done);
      }
    };
    const limit = (): void => {
      clearTimeout(timer);
      if (state.phase !== 'ended') timer = setTimeout(() => take(machine.late()), machine.lateAfterMs(state));
    };
    const endIfOver = (): void => {
      if (state.phase !== 'ended' || underWay.size > 0) return;
      clearTimeout(timer);
      resolve(state);
    };
    begin(first.actions);
    limit();
    endIfOver();
  });
}
