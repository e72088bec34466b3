import { DEFAULTS } from '../src/defaults.js';
import { CACHING_SHA2, scrambleMatches, verifierOf } from '../src/protocol/auth/caching-sha2.js';
import { nativeMatches } from '../src/protocol/auth/native-password.js';
import { ConnectionBudget } from '../src/runtime/connection-budget.js';
import type { NodeAddress } from '../src/topology/snapshot.js';
import type { BackendGroup } from './backends.js';
import type { ProofPlugin, Proofs } from './client-login.js';
import type { Users } from './users.js';

/**
 * A user whose password is known, because a client told it and a server accepted it, or because the configuration has it. It is held
 * in memory only, and only as long as sessions, or those that follow them closely, need it.
 */
export class Account {
  readonly password: Buffer;
  readonly verifier: Buffer;
  readonly groups = new Map<string, BackendGroup>();
  readonly #budgets = new Map<string, ConnectionBudget>();
  /** When a server accepted the password last. */
  checkedAtMs: number;
  readonly #onUnused: () => void;
  #sessions = 0;
  #retired = false;
  #check: Promise<void> | undefined;
  #unusedTimer: NodeJS.Timeout | undefined;

  /** @param onUnused no session has been there for a while */
  constructor(password: Buffer, checkedAtMs: number, onUnused: () => void) {
    this.password = password;
    this.verifier = verifierOf(password);
    this.checkedAtMs = checkedAtMs;
    this.#onUnused = onUnused;
    this.#waitForUse();
  }

  get checkedLately(): boolean {
    return Date.now() - this.checkedAtMs <= DEFAULTS.verifierLifetimeMs;
  }

  /** Of the node, for all its groups together. */
  budget(node: NodeAddress, max: number): ConnectionBudget {
    let budget = this.#budgets.get(node.name);
    if (budget === undefined) {
      budget = new ConnectionBudget(max);
      this.#budgets.set(node.name, budget);
    }
    return budget;
  }

  /** One check serves all that come meanwhile. */
  async checkOnce(check: () => Promise<void>): Promise<void> {
    this.#check ??= check().finally(() => {
      this.#check = undefined;
    });
    await this.#check;
  }

  entered(): void {
    this.#sessions++;
    clearTimeout(this.#unusedTimer);
  }

  left(): void {
    this.#sessions--;
    if (this.#sessions > 0) return;
    if (this.#retired) void this.end();
    else this.#waitForUse();
  }

  /** No further session comes; those that are there go on to their ends. */
  retire(): void {
    this.#retired = true;
    clearTimeout(this.#unusedTimer);
    if (this.#sessions === 0) void this.end();
  }

  /** Ends its connections. */
  async end(): Promise<void> {
    clearTimeout(this.#unusedTimer);
    const groups = [...this.groups.values()];
    this.groups.clear();
    await Promise.all(groups.map(async (group) => group.end()));
  }

  #waitForUse(): void {
    clearTimeout(this.#unusedTimer);
    this.#unusedTimer = setTimeout(this.#onUnused, DEFAULTS.unusedAccountMs);
    this.#unusedTimer.unref();
  }
}

/** The users whose passwords are known, by name. */
export class Accounts implements Proofs {
  readonly #byUser = new Map<string, Account>();
  readonly #users: Users;

  constructor(users: Users) {
    this.#users = users;
  }

  find(user: string): Account | undefined {
    const known = this.#byUser.get(user);
    if (known !== undefined) return known;
    const configured = this.#users.find(user)?.password;
    // No server has seen it yet: it is checked before anybody gets in.
    return configured === undefined ? undefined : this.#add(user, Buffer.from(configured, 'utf8'), 0);
  }

  knows(user: string): boolean {
    return this.find(user) !== undefined;
  }

  prove(plugin: ProofPlugin, user: string, answer: Buffer, nonce: Buffer): boolean {
    const account = this.find(user);
    if (account === undefined) return false;
    return plugin === CACHING_SHA2
      ? scrambleMatches(answer, nonce, account.verifier)
      : nativeMatches(answer, nonce, account.password);
  }

  entries(): IterableIterator<[user: string, account: Account]> {
    return this.#byUser.entries();
  }

  /** A server has accepted the password. */
  accepted(user: string, password: Buffer): Account {
    const known = this.#byUser.get(user);
    if (known?.password.equals(password) === true) {
      known.checkedAtMs = Date.now();
      return known;
    }
    // The password was changed. As on a server, whoever is logged in stays.
    known?.retire();
    return this.#add(user, password, Date.now());
  }

  /** A server has refused the password that it took before. */
  refused(account: Account): void {
    for (const [user, known] of this.#byUser) if (known === account) this.#byUser.delete(user);
    account.retire();
  }

  async end(): Promise<void> {
    const accounts = [...this.#byUser.values()];
    this.#byUser.clear();
    await Promise.all(accounts.map(async (account) => account.end()));
  }

  #add(user: string, password: Buffer, checkedAtMs: number): Account {
    const account: Account = new Account(password, checkedAtMs, () => {
      if (this.#byUser.get(user) === account) this.#byUser.delete(user);
      account.retire();
    });
    this.#byUser.set(user, account);
    return account;
  }
}
