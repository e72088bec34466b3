import type { CheckSettings, ClusterFacts, LoginFacts, NodeFacts } from '../../check/facts.js';
import type { NodeAddress } from '../../topology/snapshot.js';
import { MYSQL_FAILOVER } from '../../flavour/mysql-failover.js';
import { askReplicationAccount } from '../failover/replication-account.js';
import { MonitorLogin, type MonitorAccount } from '../monitor-login.js';
import { whyOf } from '../probe-failure.js';
import type { ServerTls } from '../tls/server-tls.js';
import { askGrants, lookAtServer, type LookedAt } from './look-at-server.js';

const CONNECT_MS = 5_000;

/** Who is to be able to log in. Secret. */
export interface CheckAccounts {
  readonly monitor: MonitorAccount;
  /** The monitor's where absent. */
  readonly failover: MonitorAccount | undefined;
  readonly apps: readonly MonitorAccount[];
  /** As the configuration names it. */
  readonly replication: MonitorAccount | undefined;
}

/** Looks at all nodes, and those that they tell of. Never rejects. @param discovers others than those that are named */
export async function lookAtCluster(
  nodes: readonly NodeAddress[],
  discovers: boolean,
  accounts: CheckAccounts,
  tls: ServerTls,
  settings: Omit<CheckSettings, 'named' | 'namesReplication'>,
): Promise<ClusterFacts> {
  const looks = await lookAtAll(nodes, discovers, accounts.monitor, tls);
  const replication = accounts.replication ?? (await findReplication(looks, accounts, tls));
  const found = await Promise.all(
    looks.map(async ({ address, monitor, looked }): Promise<NodeFacts> => {
      const logIn = async (account: MonitorAccount): Promise<LoginFacts> => logInAs(account, address, tls);
      // Who does not answer the monitor is not asked again for each account.
      const isThere = looked !== undefined;
      return {
        name: address.name,
        monitor,
        failover: accounts.failover && isThere ? await logIn(accounts.failover) : undefined,
        apps: isThere ? await Promise.all(accounts.apps.map(logIn)) : [],
        replication: replication && isThere ? await logIn(replication) : undefined,
        server: looked?.server,
      };
    }),
  );
  const named = nodes.map(({ name }) => name);
  return { settings: { ...settings, named, namesReplication: accounts.replication !== undefined }, nodes: found };
}

interface Look {
  readonly address: NodeAddress;
  readonly monitor: LoginFacts;
  readonly looked: LookedAt | undefined;
}

async function lookAtAll(
  named: readonly NodeAddress[],
  discovers: boolean,
  account: MonitorAccount,
  tls: ServerTls,
): Promise<Look[]> {
  const looks: Look[] = [];
  const asked = new Set<string>();
  for (let next = named; next.length > 0;) {
    for (const { name } of next) asked.add(name);
    const round = await Promise.all(next.map(async (address) => lookAt(address, account, tls)));
    // A server may be known by more than one name.
    const uuids = new Set(looks.map(({ looked }) => looked?.server.uuid));
    looks.push(...round.filter(({ looked }) => looked === undefined || !uuids.has(looked.server.uuid)));
    const known = new Set(looks.map(({ looked }) => looked?.server.uuid));
    const others = round
      .flatMap(({ looked }) => looked?.others ?? [])
      .filter(({ uuid }) => !known.has(uuid))
      .map(({ host, port }): NodeAddress => ({ name: `${host}:${port}`, host, port }));
    const unasked = others.filter(({ name }) => !asked.has(name));
    next = discovers ? [...new Map(unasked.map((it) => [it.name, it])).values()] : [];
  }
  return looks;
}

async function lookAt(address: NodeAddress, account: MonitorAccount, tls: ServerTls): Promise<Look> {
  const { user } = account;
  try {
    const connection = await new MonitorLogin(account, tls).connect(address, CONNECT_MS);
    try {
      const grants = await askGrants(connection.session);
      const looked = await lookAtServer(connection);
      return { address, monitor: { user, refusal: undefined, grants }, looked };
    } finally {
      connection.session.destroy();
    }
  } catch (error) {
    return { address, monitor: { user, refusal: whyOf(error, user), grants: [] }, looked: undefined };
  }
}

async function logInAs(account: MonitorAccount, address: NodeAddress, tls: ServerTls): Promise<LoginFacts> {
  const { user } = account;
  try {
    const { session } = await new MonitorLogin(account, tls).connect(address, CONNECT_MS);
    try {
      return { user, refusal: undefined, grants: await askGrants(session) };
    } finally {
      session.destroy();
    }
  } catch (error) {
    return { user, refusal: error instanceof Error ? error.message : String(error), grants: [] };
  }
}

/** As a replica knows it. */
async function findReplication(
  looks: readonly Look[],
  { failover, monitor }: CheckAccounts,
  tls: ServerTls,
): Promise<MonitorAccount | undefined> {
  const replicas = looks.filter(({ looked }) => looked?.server.make === 'mysql' && looked.server.replica !== undefined);
  for (const { address } of replicas) {
    try {
      const { session } = await new MonitorLogin(failover ?? monitor, tls).connect(address, CONNECT_MS);
      try {
        const account = await askReplicationAccount(session, MYSQL_FAILOVER);
        if (account !== undefined) return { user: account.user, password: account.password };
      } finally {
        session.destroy();
      }
    } catch {
      // It may not be asked, or does not answer: another one may.
    }
  }
  return undefined;
}
