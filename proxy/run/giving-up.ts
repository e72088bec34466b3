import type { SessionChange } from '../../src/protocol/session-changes.js';
import type { ConnectionPool, Holder } from '../../src/runtime/server-connection.js';
import type { Session } from '../../src/session/session.js';
import type { KeptConnections } from './kept-connections.js';
import type { Kills } from './kills.js';
import type { Preparation } from './preparation.js';
import type { RunState } from './run-state.js';
import type { RunnerContext } from './runner-context.js';

/** Lets others have a connection that is kept between statements, where what is on it can be set again or is hardly asked for. */
export class GivingUp implements Holder {
  readonly #state: RunState;
  readonly #session: Session;
  readonly #kept: KeptConnections;
  readonly #kills: Kills;
  readonly #preparation: Preparation;

  constructor({ state, session, kept }: RunnerContext, kills: Kills, preparation: Preparation) {
    this.#state = state;
    this.#session = session;
    this.#kept = kept;
    this.#kills = kills;
    this.#preparation = preparation;
  }

  /** Others wait for a connection, and the one that is kept between statements may be theirs. */
  giveUp(pool: ConnectionPool): boolean {
    const { primary, previous } = this.#kept;
    if (this.#state.run !== undefined || this.#kills.areUnderWay) return false;
    if (previous?.pool === pool) {
      this.#session.previousLost = { diagnostics: true, rowCount: false };
      this.#kept.releasePrevious();
      return true;
    }
    if (primary?.pool !== pool || !this.#session.mayGiveUpPrimary) return false;
    if (!this.#session.holds.has('last-insert-id')) {
      this.#givePrimary([]);
      return true;
    }
    this.#preparation.askInsertId(primary, ({ changes }) => {
      const isFree = this.#kept.primary === primary && this.#state.run === undefined;
      if (isFree && this.#session.mayGiveUpPrimary) this.#givePrimary(changes);
    });
    return true;
  }

  /** A command begins: the session needs what it keeps. */
  stop(): void {
    this.#kept.primary?.pool?.unhold(this);
    this.#kept.previous?.pool?.unhold(this);
  }

  /** @param changes with which the server told LAST_INSERT_ID() */
  #givePrimary(changes: readonly SessionChange[]): void {
    const { primary } = this.#kept;
    if (primary === undefined) return;
    this.#session.givenUp(changes);
    primary.insertIdLeft = true;
    this.#kept.releasePrimary();
  }
}
