import type { Consistency } from '../../src/session/consistency.js';

/** How many writes had been acknowledged: the order in which the one who looks has seen things happen. */
export type Moment = number;

/** The newest value of each key that somebody has to see. */
type Floors = Map<number, number>;

/** What a session hands to another one. */
export interface Token {
  readonly floors: ReadonlyMap<number, number>;
  /** All that was acknowledged before is in there, too. */
  readonly all: Moment | undefined;
}

export interface Read {
  readonly session: number;
  readonly level: Consistency;
  readonly key: number;
  readonly value: number;
  /** Before it was sent; of a transaction that reads of one snapshot, before its first read was. */
  readonly since: Moment;
  /** What the session's own transaction, which is open, has made of the key. */
  readonly pending?: number | undefined;
}

/** What a read's value is older than, whether or not that was promised; and whether nobody ever wrote it. */
export interface Verdict {
  /** What its session had written before, or was told by a token. */
  readonly behindOwn: boolean;
  /** What its session had read before. */
  readonly behindSeen: boolean;
  /** What any session had been told is written, before the read was sent. */
  readonly behindAll: boolean;
  /** Nobody has sent it to a server, or it was rolled back. */
  readonly unwritten: boolean;
}

type Promised = Exclude<keyof Verdict, 'unwritten'>;
const PROMISED: Readonly<Record<Consistency, readonly Promised[]>> = {
  eventual: [],
  session: ['behindOwn'],
  monotonic: ['behindOwn', 'behindSeen'],
  global: ['behindOwn', 'behindAll'],
  primary: ['behindOwn', 'behindSeen', 'behindAll'],
};

/** Whether what the read's level promises was broken. */
export function isViolation({ level }: Read, verdict: Verdict): boolean {
  return verdict.unwritten || PROMISED[level].some((it) => verdict[it]);
}

/** What of a key has become of its values: each is written once, by one session after the other, and is greater than those before. */
class KeyHistory {
  sent = 0;
  readonly rolledBack = new Set<number>();
  readonly #acknowledged: { readonly at: Moment; readonly value: number }[] = [];

  acknowledged(value: number, at: Moment): void {
    this.#acknowledged.push({ at, value });
  }

  /** The newest value that was acknowledged by then. */
  at(moment: Moment): number {
    for (let i = this.#acknowledged.length - 1; i >= 0; i--) {
      const one = this.#acknowledged[i];
      if (one !== undefined && one.at <= moment) return one.value;
    }
    return 0;
  }
}

/** What sessions wrote and read, and what of that was older than it should have been. Calls come in the order of things. */
export class History {
  readonly #keys = new Map<number, KeyHistory>();
  readonly #own = new Map<number, Floors>();
  readonly #seen = new Map<number, Floors>();
  /** Of each session, up to where it was told of all that was acknowledged. */
  readonly #toldAll = new Map<number, Moment>();
  #moment: Moment = 0;

  get now(): Moment {
    return this.#moment;
  }

  /** From now on anybody may see the value: what commits it is about to be sent. */
  sent(key: number, value: number): void {
    const history = this.#key(key);
    history.sent = Math.max(history.sent, value);
  }

  /** The value was committed, and its session has been told so. */
  acknowledged(session: number, key: number, value: number): void {
    this.#moment++;
    this.#key(key).acknowledged(value, this.#moment);
    raise(floorsOf(this.#own, session), key, value);
  }

  /** It was undone before anybody could see it. */
  rolledBack(key: number, value: number): void {
    this.#key(key).rolledBack.add(value);
  }

  /** A session's token, asked for at `since`, under that level. */
  token(session: number, level: Consistency, since: Moment): Token {
    const floors = new Map(floorsOf(this.#own, session));
    if (level === 'monotonic' || level === 'primary') {
      for (const [key, value] of floorsOf(this.#seen, session)) raise(floors, key, value);
    }
    const told = this.#toldAll.get(session);
    return { floors, all: level === 'global' ? since : told };
  }

  /** A session has been given a token. */
  took(session: number, { floors, all }: Token): void {
    const own = floorsOf(this.#own, session);
    for (const [key, value] of floors) raise(own, key, value);
    if (all !== undefined) this.#toldAll.set(session, Math.max(all, this.#toldAll.get(session) ?? 0));
  }

  /** The session is over. */
  ended(session: number): void {
    for (const floors of [this.#own, this.#seen, this.#toldAll]) floors.delete(session);
  }

  /** A read has ended. */
  read({ session, key, value, since, pending = 0 }: Read): Verdict {
    const history = this.#key(key);
    const seen = floorsOf(this.#seen, session);
    const told = this.#toldAll.get(session);
    const own = Math.max(
      floorsOf(this.#own, session).get(key) ?? 0,
      told === undefined ? 0 : history.at(told),
      pending,
    );
    const verdict = {
      behindOwn: value < own,
      behindSeen: value < (seen.get(key) ?? 0),
      behindAll: value < history.at(since),
      unwritten: (value > history.sent && value !== pending) || history.rolledBack.has(value),
    };
    // What may still be rolled back has not been seen.
    if (value !== pending) raise(seen, key, value);
    return verdict;
  }

  #key(key: number): KeyHistory {
    let history = this.#keys.get(key);
    if (history === undefined) {
      history = new KeyHistory();
      this.#keys.set(key, history);
    }
    return history;
  }
}

function floorsOf(all: Map<number, Floors>, session: number): Floors {
  let floors = all.get(session);
  if (floors === undefined) {
    floors = new Map();
    all.set(session, floors);
  }
  return floors;
}

function raise(floors: Floors, key: number, value: number): void {
  if (value > (floors.get(key) ?? 0)) floors.set(key, value);
}
