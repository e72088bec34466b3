import type { DigestTable } from '../../src/classify/digest-table.js';
import type { OwnCommand, OwnPromotion, OwnQuestion } from '../../src/classify/own-statement.js';
import { errPacketOf, RwsplitError } from '../../src/errors.js';
import { framePackets } from '../../src/protocol/framing.js';
import { encodeErr } from '../../src/protocol/packets/err.js';
import type { NodeCommand } from '../../src/topology/health.js';
import type { Snapshot } from '../../src/topology/snapshot.js';
import type { ClientStatus } from '../client-connection.js';
import { frameResultSet, type ResultSet } from './result-set.js';
import { commandNode } from './command-node.js';
import { promote, type Promoter } from './promote.js';
import { showDigests } from './show-digests.js';
import { showFailover } from './show-failover.js';
import { showNodes } from './show-nodes.js';
import { showPools, type PoolRow } from './show-pools.js';
import { showRoutes, type RouteCount } from './show-routes.js';
import type { WaitCounts } from '../../src/session/wait-counts.js';
import { showWaits } from './show-waits.js';
import { showSessions } from './show-sessions.js';

/** What only the monitor's account is told, or may say. */
export type AdminStatement = Exclude<OwnQuestion, 'token'> | OwnCommand;

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
  /** @returns whether there is such a node */
  readonly command: (node: string, event: NodeCommand) => boolean;
  /** Undefined where somebody else promotes. */
  readonly promoter: Promoter | undefined;
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
  answer(statement: AdminStatement, client: AdminClient, status: number, sequenceId: number): Buffer {
    try {
      this.#admit(statement, client.user);
      return frameResultSet(this.#resultSet(statement), client.capabilities, status, sequenceId);
    } catch (error) {
      return framePackets(encodeErr(errPacketOf(error)), sequenceId);
    }
  }

  /** Makes another node the primary: that takes its time. @returns the answer's packets */
  async promote(statement: OwnPromotion, client: AdminClient, status: number, sequenceId: number): Promise<Buffer> {
    try {
      this.#admit(statement, client.user);
      const set = await promote(statement, this.#sources.promoter);
      return frameResultSet(set, client.capabilities, status, sequenceId);
    } catch (error) {
      return framePackets(encodeErr(errPacketOf(error)), sequenceId);
    }
  }

  #admit(statement: AdminStatement | OwnPromotion, user: string): void {
    if (user === this.#user) return;
    const purpose = typeof statement === 'string' ? 'to see what all users run' : 'to command nodes';
    const what = `access denied: log in to the proxy as its monitor's account, '${this.#user}', ${purpose}`;
    throw new RwsplitError('admin-only', what);
  }

  #resultSet(statement: AdminStatement): ResultSet {
    if (typeof statement === 'object') {
      const { snapshot, command } = this.#sources;
      return commandNode(statement, snapshot, command);
    }
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
      case 'failover':
        return showFailover(this.#sources.promoter);
    }
  }
}
