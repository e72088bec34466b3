import { RwsplitError } from '../../src/errors.js';
import type { Node } from '../../src/topology/snapshot.js';
import type { Cluster } from '../cluster/cluster.js';
import { isAway, noPrimary } from '../errors.js';
import type { QueryError } from '../mysql2/internals.js';
import { RoutedConnection } from '../session/routed-connection.js';

/** Why there is no connection, and to which node there is none. */
type Refusal = (error: QueryError, node: string | undefined) => void;

/** A connection to the primary that can be had at once, where nothing is to be waited for. */
export function freePrimary(cluster: Cluster): RoutedConnection | undefined {
  const { primary } = cluster.snapshot;
  if (primary === undefined || cluster.writes.isClosed) return undefined;
  const free = cluster.poolOf(primary).takeFree();
  return free === undefined ? undefined : RoutedConnection.of(free);
}

/** A statement's way to the primary. It waits while there is none, or while it is being changed; nothing of it has been sent meanwhile. */
export class WayToPrimary {
  readonly #cluster: Cluster;
  readonly #sql: string;
  /** These could not be reached, or refused it. */
  #failed: Set<string> | undefined;
  #sinceMs: number | undefined;

  constructor(cluster: Cluster, sql: string) {
    this.#cluster = cluster;
    this.#sql = sql;
  }

  connect(then: (connection: RoutedConnection) => void, refuse: Refusal): void {
    const { snapshot, writes } = this.#cluster;
    const { primary } = snapshot;
    if (primary !== undefined && this.#failed === undefined && !writes.isClosed) {
      this.#connectTo(primary, then, refuse);
    } else this.whenThere((node) => this.#connectTo(node, then, refuse), refuse);
  }

  #connectTo(node: Node, then: (connection: RoutedConnection) => void, refuse: Refusal): void {
    const { name } = node.address;
    this.#cluster.poolOf(node).getConnection((error, connection) => {
      if (connection === undefined) this.#notConnected(name, error, () => this.connect(then, refuse), refuse);
      else if (this.#mayBegin(name)) then(RoutedConnection.of(connection));
      else {
        connection.release();
        this.connect(then, refuse);
      }
    });
  }

  /** @param goesOn what is under way there has to come to its end, whoever is to be the primary */
  whenThere(then: (primary: Node) => void, refuse: Refusal, goesOn = false): void {
    const { snapshot, writes } = this.#cluster;
    const { primary, problem = 'none is known' } = snapshot;
    const again = (): void => this.whenThere(then, refuse, goesOn);
    if (primary === undefined) this.#wait(new RwsplitError('no-primary', problem), undefined, again, refuse);
    else if (this.#failed?.has(primary.address.name) === true) {
      const { name } = primary.address;
      this.#wait(new RwsplitError('no-primary', `${name} does not answer`), name, again, refuse);
    } else if (writes.isClosed && !goesOn) {
      this.#wait(new RwsplitError('no-primary', 'the primary is being changed'), undefined, again, refuse);
    } else {
      this.#cluster.poolOf(primary);
      then(primary);
    }
  }

  /** The node did nothing with the statement, as it is no primary any more. */
  refused(node: string, error: QueryError): void {
    this.#failed ??= new Set();
    this.#failed.add(node);
    this.#cluster.failed(node, error);
  }

  #mayBegin(node: string): boolean {
    const { snapshot, writes } = this.#cluster;
    return snapshot.primary?.address.name === node && !writes.isClosed;
  }

  #notConnected(node: string, error: QueryError | null, again: () => void, refuse: Refusal): void {
    const failure = error ?? new Error('The pool gave no connection.');
    if (!isAway(failure)) {
      refuse(failure, node);
      return;
    }
    this.refused(node, failure);
    if (this.#mayBegin(node)) this.#wait(failure, node, again, refuse);
    else again();
  }

  #wait(why: unknown, node: string | undefined, again: () => void, refuse: Refusal): void {
    const cluster = this.#cluster;
    if (cluster.isUnseen) {
      void cluster.hurry().then(() => {
        if (cluster.isUnseen) cluster.whyNoPrimary(this.#sql, (error) => refuse(error, undefined));
        else again();
      });
      return;
    }
    this.#sinceMs ??= Date.now();
    const except = new Set(this.#failed);
    cluster.writes.add({
      bytes: this.#sql.length,
      sinceMs: this.#sinceMs,
      except,
      isOver: () => false,
      go: () => {
        this.#failed = undefined;
        again();
      },
      // Whoever asks is to hear of it after that, as of all else.
      fail: (error) => process.nextTick(() => refuse(this.#toldAs(error), node)),
      why,
    });
    void cluster.hurry();
  }

  #toldAs(error: unknown): QueryError {
    if (error instanceof RwsplitError || !(error instanceof Error)) {
      return noPrimary(error instanceof Error ? error.message : String(error), this.#sql);
    }
    return error;
  }
}
