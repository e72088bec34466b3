import { Socket } from 'node:net';
import { Cluster } from './cluster/cluster.js';
import { withRoute } from './errors.js';
import { core, corePromise, type CoreConnection, type QueryError } from './mysql2/internals.js';
import { seenAs } from './mysql2/seen-as.js';
import { readOptions, type RwsplitPoolOptions, type Split, type Wanted } from './options.js';
import { Lease } from './pool/lease.js';
import { WayToPrimary } from './route/way-to-primary.js';
import { RoutedConnection } from './session/routed-connection.js';
import { ServerSession } from './session/server-session.js';

interface Shared {
  readonly cluster: Cluster;
  connections: number;
}

/** Connections that are made with the same list share what is known of the servers, and their replicas' pools. */
const shared = new WeakMap<object, Shared>();

/** A connection to the primary, which is found out; its reads run on replicas. With one server it is mysql2's own. */
export function createCoreConnection(given: string | RwsplitPoolOptions): CoreConnection {
  const wanted = readOptions(given);
  if (wanted.split === undefined) return core.createConnection(wanted.driver);
  const { cluster, leave } = join(given, wanted, wanted.split);
  const socket = new Socket();
  socket.setNoDelay(true);
  const connection = core.createConnection({ ...wanted.driver, stream: socket });
  connection.once('connect', () => {
    const { host, port } = connection.config;
    const node = cluster.snapshot.nodes.find(({ address }) => address.host === host && address.port === port);
    if (node === undefined) return;
    const session = new ServerSession(node.address, connection.config.database ?? '', cluster);
    const routed = RoutedConnection.adopt(connection, session);
    routed.isAlone = true;
    routed.lease = new Lease(cluster, routed);
  });
  socket.once('close', leave);
  cluster.whenKnown(() => dial(cluster, connection, socket));
  return connection;
}

export async function createPromiseConnection(given: string | RwsplitPoolOptions): Promise<unknown> {
  const implementation =
    typeof given === 'string' ? Promise : (seenAs<{ Promise?: PromiseConstructor }>(given).Promise ?? Promise);
  const connection = createCoreConnection(given);
  return new implementation((resolve, reject) => {
    connection.once('connect', () => resolve(new corePromise.PromiseConnection(connection, implementation)));
    connection.once('error', (error: QueryError) => reject(error));
  });
}

function dial(cluster: Cluster, { config }: CoreConnection, socket: Socket): void {
  new WayToPrimary(cluster, '').whenThere(
    ({ address: { host, port } }) => {
      // By its name the server's certificate is checked.
      config.host = host;
      config.port = port;
      socket.connect(port, host);
    },
    (error, node) => {
      socket.destroy(withRoute(error, { to: 'primary', reason: 'write', node }, 'not-executed'));
    },
  );
}

function join(
  given: string | RwsplitPoolOptions,
  wanted: Wanted,
  split: Split,
): { cluster: Cluster; leave: () => void } {
  const list: object | undefined = typeof given === 'string' ? undefined : (given.nodes ?? given.replicas);
  const known = list === undefined ? undefined : shared.get(list);
  const found = known ?? { cluster: new Cluster(wanted, split), connections: 0 };
  if (list !== undefined) shared.set(list, found);
  found.connections++;
  return {
    cluster: found.cluster,
    leave: () => {
      found.connections--;
      if (found.connections > 0) return;
      if (list !== undefined) shared.delete(list);
      found.cluster.end(() => {});
    },
  };
}
