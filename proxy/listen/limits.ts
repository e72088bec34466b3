import { RwsplitError } from '../../src/errors.js';

/** How many clients may be there at once. */
export interface ConnectionLimits {
  readonly connections: number;
  /** For each user; undefined for no limit of its own, as for each address. */
  readonly connectionsPerUser?: number | undefined;
  readonly connectionsPerAddress?: number | undefined;
}

/** Things of which there are some for each name; names without any are not kept. */
class Counts {
  readonly #byName = new Map<string, number>();

  of(name: string): number {
    return this.#byName.get(name) ?? 0;
  }

  add(name: string, count: 1 | -1): void {
    const now = this.of(name) + count;
    if (now > 0) this.#byName.set(name, now);
    else this.#byName.delete(name);
  }
}

/** A client that was let in. */
export interface Admission {
  /** The client's address is known. @throws RwsplitError when it has too many */
  comesFrom(address: string): void;
  /** The client logs in, or changes its user. @param max of this user, if the configuration has one. @throws RwsplitError */
  enter(user: string, max: number | undefined): void;
  leave(): void;
}

/** Counts clients, and lets no more in than there may be. */
export class ClientLimits {
  readonly #limits: ConnectionLimits;
  readonly #byAddress = new Counts();
  readonly #byUser = new Counts();
  #all = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all;
  }

  /** @throws RwsplitError when there are too many */
  admit(): Admission {
    if (this.#all >= this.#limits.connections) {
      throw new RwsplitError('too-many-clients', `${this.#all} clients are connected, which is the maximum`);
    }
    this.#all++;
    let at: string | undefined;
    let as: string | undefined;
    let left = false;
    return {
      comesFrom: (address) => {
        this.#countAddress(address);
        at = address;
      },
      enter: (user, max) => {
        if (as === user) return;
        this.#countUser(user, max ?? this.#limits.connectionsPerUser);
        if (as !== undefined) this.#byUser.add(as, -1);
        as = user;
      },
      leave: () => {
        if (left) return;
        left = true;
        this.#all--;
        if (at !== undefined) this.#byAddress.add(at, -1);
        if (as !== undefined) this.#byUser.add(as, -1);
      },
    };
  }

  #countAddress(address: string): void {
    const max = this.#limits.connectionsPerAddress;
    if (max !== undefined && this.#byAddress.of(address) >= max) {
      throw new RwsplitError('too-many-clients', `${max} clients are connected from ${address}, which is the maximum`);
    }
    this.#byAddress.add(address, 1);
  }

  #countUser(user: string, max: number | undefined): void {
    if (max !== undefined && this.#byUser.of(user) >= max) {
      throw new RwsplitError('too-many-of-user', `${max} clients are connected as '${user}', which is the maximum`);
    }
    this.#byUser.add(user, 1);
  }
}
