import type { ReplicationAccount } from '../../flavour/failover-statements.js';
import type { MonitorAccount } from '../monitor-login.js';
import type { HaNode } from './ha-node.js';

const STATEMENT_MS = 1_000;

/** With which account an old primary is to replicate: replicas know it, and a node that has never been one does not. */
export class ReplicationAccounts {
  readonly #named: MonitorAccount | undefined;
  #found: ReplicationAccount | undefined;
  #known = false;

  constructor(named: MonitorAccount | undefined) {
    this.#named = named;
  }

  get account(): ReplicationAccount | undefined {
    return this.#named === undefined ? this.#found : { ...this.#named, tls: this.#found?.tls ?? false };
  }

  /** Asks a replica, until one has told. Never rejects: where nobody tells, it is said when the account is needed. */
  async ask(replica: HaNode): Promise<void> {
    if (this.#known) return;
    try {
      const { statements } = await replica.tasks.flavour(STATEMENT_MS);
      const [row] = await replica.tasks.query(statements.askAccount, STATEMENT_MS);
      if (row === undefined) return;
      const account = statements.accountOf(row);
      if (account.user === '') return;
      this.#known = true;
      this.#found = account;
    } catch {
      // It may not be asked: the configuration has to name it.
      this.#known = true;
    }
  }
}
