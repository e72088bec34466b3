import type { Connection, RowDataPacket } from 'mysql2/promise';
import type { FailoverStatements, ReplicationAccount } from '../../flavour/failover-statements.js';
import type { MonitorAccount } from '../monitor-login.js';
import type { HaNode } from './ha-node.js';
import { isServersWord } from './ha-session.js';

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
      const found = accountIn(row, statements);
      if (found === undefined) return;
      this.#known = true;
      this.#found = found;
    } catch (error) {
      // It may not be asked: the configuration has to name it. One that did not answer is asked again.
      if (isServersWord(error)) this.#known = true;
    }
  }
}

/** As a replica knows it; undefined where it knows none. @throws where the session's user may not ask */
export async function askReplicationAccount(
  session: Connection,
  statements: FailoverStatements,
): Promise<ReplicationAccount | undefined> {
  const [rows] = await session.query<RowDataPacket[]>({ sql: statements.askAccount, timeout: STATEMENT_MS });
  return accountIn(rows[0], statements);
}

function accountIn(row: RowDataPacket | undefined, statements: FailoverStatements): ReplicationAccount | undefined {
  const account = row === undefined ? undefined : statements.accountOf(row);
  return account?.user === '' ? undefined : account;
}
