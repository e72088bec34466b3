import type { DigestTable } from '../../src/classify/digest-table.js';
import type { OwnQuestion } from '../../src/classify/own-statement.js';
import { RwsplitError } from '../../src/errors.js';
import { framePackets } from '../../src/protocol/framing.js';
import { encodeErr } from '../../src/protocol/packets/err.js';
import type { Snapshot } from '../../src/topology/snapshot.js';
import type { ClientStatus } from '../client-connection.js';
import { frameResultSet, type ResultSet } from './result-set.js';
import { showDigests } from './show-digests.js';
import { showNodes } from './show-nodes.js';
import { showPools, type PoolRow } from './show-pools.js';
import { showRoutes, type RouteCount } from './show-routes.js';
import type { WaitCounts } from '../../src/session/wait-counts.js';
import { showWaits } from './show-waits.js';
import { showSessions } from './show-sessions.js';

/** What only the monitor's account is told. */
export type AdminQuestion = Exclude<OwnQuestion, 'token'>;

/** Who asks. */
export interface AdminClient {
  readonly user: string;
  readonly capabilities: number;
}

/** Where answers come from. */
export interface AdminSources {
  readonly digests: DigestTable;
  readonly counts: () => readonly RouteCount[];
  readonly sessions: () => readonly ClientStatus[];
  readonly pools: () => readonly PoolRow[];
  readonly snapshot: () => Snapshot;
  readonly waits: WaitCounts;
}

/**
 * Answers the statements that are about the proxy itself. They touch nothing of a session: to its transaction, its warnings,
 * its row counts they have not been.
 */
export class Admin {
  readonly #user: string;
  readonly #sources: AdminSources;

  /** @param user the only one who gets an answer: it shows what all users run */
  constructor(user: string, sources: AdminSources) {
    this.#user = user;
    this.#sources = sources;
  }

  /** @returns the answer's packets */
  answer(statement: AdminQuestion, client: AdminClient, status: number, sequenceId: number): Buffer {
    if (client.user !== this.#user) {
      const what = `access denied: log in to the proxy as its monitor's account, '${this.#user}', to see what all users run`;
      return framePackets(encodeErr(new RwsplitError('admin-only', what).toErrPacket()), sequenceId);
    }
    return frameResultSet(this.#resultSet(statement), client.capabilities, status, sequenceId);
  }

  #resultSet(statement: AdminQuestion): ResultSet {
    switch (statement) {
      case 'digests':
        return showDigests(this.#sources.digests);
      case 'routes':
        return showRoutes(this.#sources.counts());
      case 'sessions':
        return showSessions(this.#sources.sessions(), Date.now());
      case 'pools':
        return showPools(this.#sources.pools());
      case 'nodes':
        return showNodes(this.#sources.snapshot());
      case 'waits':
        return showWaits(this.#sources.waits);
    }
  }
}
