import { RwsplitError } from '../src/errors.js';
import type { Consistency } from '../src/session/consistency.js';
import type { BinlogFrom } from './binlog-source.js';
import { Networks } from './listen/networks.js';

/** What the configuration says of a user. None need be named: users are the servers' own. */
export interface UserOptions {
  readonly name: string;
  /** With it, clients are checked without having told it: those that can do nothing but mysql_native_password get in, too. */
  readonly password?: string | undefined;
  readonly requireTls?: boolean | undefined;
  /** From where the user may come; from anywhere when absent. */
  readonly networks?: readonly string[] | undefined;
  /** Clients at once. */
  readonly connections?: number | undefined;
  /** How fresh the user's reads are; as all others' when absent. */
  readonly consistency?: Consistency | undefined;
  /** Replicas that are later serve none of the user's reads; as all others' when absent. */
  readonly maxLagMs?: number | undefined;
  /** From where the user's clients follow the binary log; the primary when absent. */
  readonly binlogFrom?: BinlogFrom | undefined;
}

/** From where, and how, a client came. */
export interface ClientOrigin {
  readonly address: string;
  /** Over TLS, or a socket that does not leave the machine. */
  readonly secure: boolean;
}

interface User extends UserOptions {
  readonly from: Networks | undefined;
}

/** The users that the configuration names. */
export class Users {
  readonly #byName: ReadonlyMap<string, User>;

  constructor(users: readonly UserOptions[]) {
    this.#byName = new Map(
      users.map((user) => [
        user.name,
        { ...user, from: user.networks === undefined ? undefined : new Networks(user.networks) },
      ]),
    );
  }

  /** From where users follow the binary log, of those who do not follow the primary's. */
  get binlogFrom(): ReadonlyMap<string, BinlogFrom> {
    const named = [...this.#byName.values()];
    return new Map(named.flatMap(({ name, binlogFrom }) => (binlogFrom === undefined ? [] : [[name, binlogFrom]])));
  }

  find(name: string): UserOptions | undefined {
    return this.#byName.get(name);
  }

  /** @throws RwsplitError when the user may not come so */
  check(name: string, { address, secure }: ClientOrigin): void {
    const user = this.#byName.get(name);
    if (user === undefined) return;
    if (user.requireTls === true && !secure) {
      throw new RwsplitError('access-denied', `user '${name}' has to connect with TLS`);
    }
    // A Unix socket has no address: who may open it, the file system says.
    if (user.from !== undefined && address !== '' && !user.from.has(address)) {
      throw new RwsplitError('access-denied', `user '${name}' may not connect from ${address}`);
    }
  }
}
