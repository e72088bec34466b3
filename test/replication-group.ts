import { randomUUID } from 'node:crypto';
import { createConnection, type Connection } from 'mysql2/promise';
import type { Account, Cluster } from '../docker/cluster/cluster.js';
import { freePorts } from '../docker/cluster/free-ports.js';

/**
 * Makes a replication group of a cluster whose replicas have caught up: the primary begins it, the others join.
 * A member that is killed is expelled as soon as it is missed.
 */
export async function becomeGroup({ nodes, accounts: { root } }: Cluster): Promise<void> {
  const addresses = (await freePorts(nodes.length)).map((port) => `127.0.0.1:${port}`);
  const group = randomUUID();
  const members: Connection[] = [];
  try {
    for (const [index, { host, port }] of nodes.entries()) {
      const member = await createConnection({ host, port, ...root });
      members.push(member);
      if (index > 0) for (const sql of ['STOP REPLICA', 'RESET REPLICA ALL']) await member.query(sql);
      for (const sql of settings(group, addresses, index, root)) await member.query(sql);
    }
    const [first, ...others] = members;
    await first?.query('SET GLOBAL group_replication_bootstrap_group = ON');
    await first?.query('START GROUP_REPLICATION');
    await first?.query('SET GLOBAL group_replication_bootstrap_group = OFF');
    for (const member of others) await member.query('START GROUP_REPLICATION');
  } finally {
    for (const member of members) member.destroy();
  }
}

function settings(group: string, addresses: readonly string[], index: number, { user, password }: Account): string[] {
  return [
    'SET GLOBAL super_read_only = OFF',
    "INSTALL PLUGIN group_replication SONAME 'group_replication.so'",
    `SET GLOBAL group_replication_group_name = '${group}'`,
    `SET GLOBAL group_replication_local_address = '${addresses[index]}'`,
    `SET GLOBAL group_replication_group_seeds = '${addresses.join(',')}'`,
    'SET GLOBAL group_replication_member_expel_timeout = 0',
    'SET GLOBAL group_replication_recovery_get_public_key = ON',
    `CHANGE REPLICATION SOURCE TO SOURCE_USER = '${user}', SOURCE_PASSWORD = '${password}' FOR CHANNEL 'group_replication_recovery'`,
  ];
}
