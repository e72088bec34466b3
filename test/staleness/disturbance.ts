import { createConnection, type Connection } from 'mysql2/promise';
import type { Account, ClusterNode } from '../../docker/cluster/cluster.js';
import { pick, type Random } from '../random.js';
import type { Progress } from './progress.js';
import { SCHEMA } from './run.js';

/** What a disturbance is given of a replica; only who has started it can freeze it. */
export interface DisturbedNode extends Partial<Pick<ClusterNode, 'freeze' | 'thaw'>> {
  readonly host: string;
  readonly port: number;
}

/** Resolves when there have been some reads. */
type Meanwhile = () => Promise<void>;

interface Disturbance {
  readonly name: string;
  disturb(replica: DisturbedReplica, meanwhile: Meanwhile): Promise<void>;
}

const LOADS = 3;
/** About a second of one core. */
const LOAD = "SELECT BENCHMARK(1000000, SHA2('x', 256))";
const DISTURBANCES: readonly Disturbance[] = [
  ...[1, 2].map((seconds) => ({
    name: `a delay of ${seconds} s`,
    disturb: async (replica: DisturbedReplica, meanwhile: Meanwhile) => {
      await replica.delay(seconds);
      await meanwhile();
      await replica.delay(0);
    },
  })),
  {
    name: 'applier stopped',
    disturb: async ({ root }, meanwhile) => {
      await root.query('STOP REPLICA SQL_THREAD');
      await meanwhile();
      await root.query('START REPLICA SQL_THREAD');
    },
  },
  {
    // Nobody sees this but who looks at the data: the applier runs, and waits.
    name: 'table locked',
    disturb: async ({ root }, meanwhile) => {
      await root.query(`LOCK TABLES ${SCHEMA}.kv READ`);
      await meanwhile();
      await root.query('UNLOCK TABLES');
    },
  },
  {
    name: 'load',
    disturb: async ({ others }, meanwhile) => {
      await Promise.all([...others.map(async (it) => it.query(LOAD)), meanwhile()]);
    },
  },
];
const FREEZE: Disturbance = {
  name: 'frozen',
  disturb: async ({ node }, meanwhile) => {
    await node.freeze?.();
    try {
      await meanwhile();
    } finally {
      await node.thaw?.();
    }
  },
};

/** Makes a replica late, in one way after the other, until the run ends; then it is as before. */
export class DisturbedReplica {
  readonly node: DisturbedNode;
  readonly root: Connection;
  readonly others: readonly Connection[];
  /** How often what was done. */
  readonly done = new Map<string, number>();

  private constructor(node: DisturbedNode, [root, ...others]: readonly [Connection, ...Connection[]]) {
    this.node = node;
    this.root = root;
    this.others = others;
  }

  static async open(node: DisturbedNode, { user, password }: Account): Promise<DisturbedReplica> {
    const { host, port } = node;
    const connect = async (): Promise<Connection> => createConnection({ host, port, user, password });
    const others = await Promise.all(Array.from({ length: LOADS }, connect));
    return new DisturbedReplica(node, [await connect(), ...others]);
  }

  /** @param reads after how many things go on, at the most */
  async disturb(progress: Progress, random: Random, reads: number): Promise<void> {
    const ways = this.node.freeze === undefined ? DISTURBANCES : [...DISTURBANCES, FREEZE];
    const some = async (): Promise<void> => progress.after(1 + random.below(reads));
    while (!progress.ended) {
      await some();
      const way = pick(random, ways);
      this.done.set(way.name, (this.done.get(way.name) ?? 0) + 1);
      await way.disturb(this, some);
    }
  }

  /** Resolves when it has all of these transactions. */
  async catchUp(gtids: string): Promise<void> {
    await this.root.query('SELECT WAIT_FOR_EXECUTED_GTID_SET(?)', [gtids]);
  }

  async delay(seconds: number): Promise<void> {
    await this.root.query('STOP REPLICA SQL_THREAD');
    await this.root.query(`CHANGE REPLICATION SOURCE TO SOURCE_DELAY = ${seconds}`);
    await this.root.query('START REPLICA SQL_THREAD');
  }

  close(): void {
    for (const connection of [this.root, ...this.others]) connection.destroy();
  }
}
