import type { DigestTable } from '../../src/classify/digest-table.js';
import type { OwnStatement } from '../../src/classify/own-statement.js';
import { RwsplitError } from '../../src/errors.js';
import { framePackets } from '../../src/protocol/framing.js';
import { encodeErr } from '../../src/protocol/packets/err.js';
import { frameResultSet, type ResultSet } from './result-set.js';
import { showDigests } from './show-digests.js';
import { showRoutes, type RouteCount } from './show-routes.js';

/** Who asks. */
export interface AdminClient {
  readonly user: string;
  readonly capabilities: number;
}

/**
 * Answers the statements that are about the proxy itself. They touch nothing of a session: to its transaction, its warnings,
 * its row counts they have not been.
 */
export class Admin {
  readonly #user: string;
  readonly #digests: DigestTable;
  readonly #counts: () => readonly RouteCount[];

  /** @param user the only one who gets an answer: digests show what all users run */
  constructor(user: string, digests: DigestTable, counts: () => readonly RouteCount[]) {
    this.#user = user;
    this.#digests = digests;
    this.#counts = counts;
  }

  /** @returns the answer's packets */
  answer(statement: OwnStatement, client: AdminClient, status: number, sequenceId: number): Buffer {
    if (client.user !== this.#user) {
      const what = `access denied: log in to the proxy as its monitor's account, '${this.#user}', to see what all users run`;
      return framePackets(encodeErr(new RwsplitError('admin-only', what).toErrPacket()), sequenceId);
    }
    return frameResultSet(this.#resultSet(statement), client.capabilities, status, sequenceId);
  }

  #resultSet(statement: OwnStatement): ResultSet {
    switch (statement) {
      case 'digests':
        return showDigests(this.#digests);
      case 'routes':
        return showRoutes(this.#counts());
    }
  }
}
