import { GtidSet } from '../../topology/gtid-set.js';
import type { PrimaryRecord } from '../coordinator/coordinator.js';
import type { EventLog } from '../event-log.js';
import type { KnownPrimary } from './known-primary.js';
import type { SupervisedCluster } from './supervised-cluster.js';
import type { WatchedNodes } from './watched-nodes.js';

/** Whom clients' statements for the primary go to: whoever was promoted here, or by another leader, as the record or a journal says. */
export class Appointments {
  readonly #cluster: SupervisedCluster;
  readonly #nodes: WatchedNodes;
  readonly #primary: KnownPrimary;
  readonly #log: EventLog;
  /** As it was acted on last. */
  #record: PrimaryRecord | undefined;

  constructor(cluster: SupervisedCluster, nodes: WatchedNodes, primary: KnownPrimary, log: EventLog) {
    this.#cluster = cluster;
    this.#nodes = nodes;
    this.#primary = primary;
    this.#log = log;
  }

  /** @param left the old one, where it has not come to its end */
  async appoint(serverUuid: string, left?: string, epoch = this.#primary.epoch): Promise<void> {
    this.#primary.became(serverUuid, epoch);
    await this.#cluster.appoint(serverUuid, left);
  }

  /** Nobody else may be the primary until it has answered. */
  async stuck(name: string, why: string): Promise<void> {
    this.#log.error(`it is not known whether ${name} takes writes (${why}): until it answers, nobody is the primary`);
    const serverUuid = this.#nodes.get(name)?.state?.serverUuid;
    if (serverUuid !== undefined) await this.appoint(serverUuid);
  }

  followRecord(record: PrimaryRecord | undefined): void {
    if (record === undefined || record === this.#record) return;
    this.#record = record;
    const { serverUuid, epoch } = record;
    if (serverUuid !== this.#primary.uuid) void this.appoint(serverUuid, this.#primary.left, epoch);
    else this.#primary.servesSince(epoch);
    // It was to be opened, and has been: there is no need to wait for the next look.
    if (record.phase !== 'primary') return;
    this.#cluster.opened(serverUuid, GtidSet.parse(record.gtid) ?? GtidSet.EMPTY);
    void this.#cluster.appoint(serverUuid, undefined);
  }

  /** A leader that this proxy does not hear of, cut off from the coordinator perhaps, has made another node the primary: its journal says so. */
  followJournal(): void {
    const { lastChange } = this.#nodes;
    const { servingEpoch, uuid } = this.#primary;
    if (lastChange === undefined || lastChange.epoch <= servingEpoch || lastChange.serverUuid === uuid) return;
    const state = this.#nodes.stateOf(lastChange.serverUuid);
    if (state?.reach !== 'answers' || state.readOnly) return;
    const { epoch, node, serverUuid } = lastChange;
    this.#log.warn({ epoch }, `another leader has made ${node} the primary`);
    void this.appoint(serverUuid, this.#primary.left, epoch);
  }
}
