import type { Connection } from 'mysql2/promise';
import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { clusterInfo, connectDirect, nodeInfo } from '../cluster.js';
import { startProxy, value, type TestProxy } from '../proxy.js';
import { RawClient, type RawLogin } from '../raw-client.js';
import { SCRIPTS, type Script } from './scripts.js';
import { labelOf, StepRunner } from './steps.js';

const FLAGS = {
  DEPRECATE_EOF: Capability.DEPRECATE_EOF,
  SESSION_TRACK: Capability.SESSION_TRACK,
  QUERY_ATTRIBUTES: Capability.QUERY_ATTRIBUTES,
  MULTI_STATEMENTS: Capability.MULTI_STATEMENTS,
  OPTIONAL_METADATA: Capability.OPTIONAL_RESULTSET_METADATA,
} as const;
const NAMES = ['DEPRECATE_EOF', 'SESSION_TRACK', 'QUERY_ATTRIBUTES', 'MULTI_STATEMENTS', 'OPTIONAL_METADATA'] as const;

/** Every combination of the flags that change how a server answers; the last one with half of the others' combinations. */
const DIALECTS = Array.from({ length: 1 << NAMES.length }, (_, bits) => {
  const names = NAMES.filter((_name, i) => (bits & (1 << i)) !== 0);
  const capabilities = names.reduce((flags, name) => flags | FLAGS[name], 0);
  return { name: names.length === 0 ? 'none of the flags' : names.join(' '), names, capabilities };
}).filter(
  ({ names }) =>
    !names.includes('OPTIONAL_METADATA') || names.includes('SESSION_TRACK') === names.includes('QUERY_ATTRIBUTES'),
);

/** Each flag on and off at least twice, with others on and off. */
const FEW: ReadonlySet<string> = new Set([
  'none of the flags',
  'DEPRECATE_EOF MULTI_STATEMENTS',
  'SESSION_TRACK QUERY_ATTRIBUTES',
  'OPTIONAL_METADATA',
  NAMES.join(' '),
]);

let proxy: TestProxy;
let observers: Connection[];
beforeAll(async () => {
  // Few connections, so that sessions take over what others have left behind.
  proxy = await startProxy({ poolMax: 2 });
  observers = await Promise.all([0, 1, 2].map((node) => connectDirect(node, clusterInfo().accounts.root)));
});

for (const { name: dialect, capabilities } of DIALECTS) {
  describe(`a client with ${dialect} sees through the proxy what it sees on the primary`, () => {
    for (const script of SCRIPTS) {
      if (script.everyDialect !== true && !FEW.has(dialect)) continue;
      test(script.name, async () => {
        const direct = await transcript(script, { ...nodeInfo(0), capabilities });
        const proxied = await transcript(script, { host: proxy.host, port: proxy.port, capabilities });
        expect(proxied).toEqual(direct);
      });
    }
  });
}

async function transcript(script: Script, target: Omit<RawLogin, 'user' | 'password'>): Promise<object[]> {
  await observers[0]?.query('DROP DATABASE IF EXISTS rwsplit_diff');
  await observers[0]?.query('DROP DATABASE IF EXISTS rwsplit_diff_2');
  await observers[0]?.query('CREATE DATABASE rwsplit_diff');
  await observers[0]?.query('CREATE DATABASE rwsplit_diff_2');
  await untilReplicasHaveAll();
  const { host, port, capabilities = 0 } = target;
  const client = await RawClient.logIn({
    ...clusterInfo().accounts.app,
    host,
    port,
    capabilities,
    database: 'rwsplit_diff',
  });
  const runner = new StepRunner(client);
  const seen: object[] = [];
  for (const step of script.steps) {
    try {
      seen.push({ step: labelOf(step), packets: await runner.run(step) });
    } catch (error) {
      seen.push({ step: labelOf(step), error: String(error) });
      break;
    }
    await untilReplicasHaveAll();
  }
  client.destroy();
  return seen;
}

/** A replica may be behind: what is compared here is what it answers once it is not. */
async function untilReplicasHaveAll(): Promise<void> {
  const [primary, ...replicas] = observers;
  if (primary === undefined) return;
  const gtids = await value(primary, 'SELECT @@GLOBAL.gtid_executed');
  await Promise.all(replicas.map((replica) => value(replica, 'SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 30)', [gtids])));
}
