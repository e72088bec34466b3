import { beforeAll, describe, expect, test } from 'vitest';
import { Capability } from '../../src/protocol/capabilities.js';
import { nodeInfo } from '../cluster.js';
import { startProxy, type TestProxy } from '../proxy.js';
import { SCRIPTS } from './scripts.js';
import { transcript } from './transcript.js';

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
beforeAll(async () => {
  // Few connections, so that sessions take over what others have left behind.
  proxy = await startProxy({ poolMax: 2 });
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
