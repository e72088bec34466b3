import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { SCRIPTS } from '../differential/scripts.js';
import { transcript, type Servers } from '../differential/transcript.js';
import { startProxy, type TestProxy } from '../proxy.js';
import { MariadbCluster } from './cluster.js';

const DIALECTS = {
  'none of the flags': 0,
  'DEPRECATE_EOF MULTI_STATEMENTS': Capability.DEPRECATE_EOF | Capability.MULTI_STATEMENTS,
  'DEPRECATE_EOF SESSION_TRACK': Capability.DEPRECATE_EOF | Capability.SESSION_TRACK,
};

/** utf8mb4_general_ci: the collation that most clients log in with is MySQL's alone. */
const COLLATION = 45;

/** Scripts that are not compared, and why. */
const LEFT_OUT: ReadonlyMap<string, string> = new Map([
  ['commands that the server does not have', 'the proxy answers as MySQL does, where MariaDB still has COM_SHUTDOWN'],
  ['commands that are not what they should be', 'errors are in the words of MySQL, and MariaDB is silent about some'],
]);
const COMPARED = SCRIPTS.filter(({ name }) => !LEFT_OUT.has(name));

/** Each server has its own words for where it missed a statement. */
const UNKNOWN_STATEMENT = /^(\d+) \(\d+\) (.*Unknown prepared statement handler) \(\d+\) given to \w+$/;

/** Where the report of one variable begins: its type, its length, the length of the name, and the name. */
const VARIABLE = /(?=\\x00(?:\\x[0-9a-f]{2}|[ -~])\\x[0-9a-f]{2}[a-z_]{4,})/;

/** What two servers may say differently: where they missed a statement, and in which order they tell of variables, which is another for each connection. */
function comparable(seen: object[]): unknown {
  return JSON.parse(JSON.stringify(seen), (_key, text: unknown) => {
    if (typeof text !== 'string') return text;
    const [start, ...variables] = text.replace(UNKNOWN_STATEMENT, '$1 $2').split(VARIABLE);
    return [start, ...variables.toSorted()].join('');
  });
}

let cluster: MariadbCluster;
let proxy: TestProxy;
let servers: Servers;
beforeAll(async () => {
  cluster = await MariadbCluster.start();
  // Few connections, so that sessions take over what others have left behind.
  proxy = await startProxy({ nodes: cluster.nodes, poolMax: 2 });
  servers = {
    primary: () => Promise.resolve(cluster.root(0)),
    untilReplicated: async () => cluster.untilReplicated(),
  };
});

describe.each(Object.entries(DIALECTS))('a client with %s sees what it sees on a MariaDB primary', (_name, flags) => {
  test.each(COMPARED)('$name', async (script) => {
    const [primary] = cluster.nodes;
    if (primary === undefined) throw new Error('there is no primary');
    const login = { capabilities: flags, collation: COLLATION };
    const direct = await transcript(script, { ...primary, ...login }, servers);
    const proxied = await transcript(script, { host: proxy.host, port: proxy.port, ...login }, servers);
    expect(comparable(proxied)).toEqual(comparable(direct));
  });
});
