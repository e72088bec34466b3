import type { ReplicationAccount } from '../../flavour/failover-statements.js';
import type { MonitorAccount } from '../monitor-login.js';
import type { HaNode } from './ha-node.js';
import { isServersWord } from './ha-session.js';

const STATEMENT_MS = 1_000;
const ACCOUNT =
  "SELECT User_name AS user, User_password AS password, Enabled_ssl AS tls FROM mysql.slave_master_info WHERE Channel_name = ''";

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
      const [row] = await replica.tasks.query(ACCOUNT, STATEMENT_MS);
      if (row === undefined || row['user'] === '') return;
      const { user, password, tls } = row;
      this.#known = true;
      this.#found = { user: String(user), password: String(password ?? ''), tls: Number(tls) === 1 };
    } catch (error) {
      // It may not be asked: the configuration has to name it. One that did not answer is asked again.
      if (isServersWord(error)) this.#known = true;
    }
  }
}
