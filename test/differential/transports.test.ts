import { beforeAll, describe, expect, test } from 'vitest';
import type { ServerOptions } from '../../proxy/options.js';
import { Capability } from '../../src/protocol/capabilities.js';
import { COMPRESSION_ALGORITHMS } from '../../src/runtime/compression.js';
import { nodeInfo } from '../cluster.js';
import { startProxy, temporaryDirectory, type TestProxy } from '../proxy.js';
import type { RawLogin } from '../raw-client.js';
import { SCRIPTS } from './scripts.js';
import { transcript } from './transcript.js';

const ALL =
  Capability.DEPRECATE_EOF | Capability.SESSION_TRACK | Capability.QUERY_ATTRIBUTES | Capability.MULTI_STATEMENTS;
const NEWEST = COMPRESSION_ALGORITHMS.at(-1) ?? 'zlib';
const TLS = { rejectUnauthorized: false };

interface Transport {
  readonly name: string;
  readonly client: Pick<RawLogin, 'tls' | 'compression' | 'capabilities'>;
  readonly servers: ServerOptions;
}

/** TLS, compression and DEPRECATE_EOF on and off at both ends, each with each of the others. */
const TRANSPORTS: readonly Transport[] = [
  {
    name: 'everything, to everything',
    client: { tls: TLS, compression: 'zlib', capabilities: ALL },
    servers: { tls: { mode: 'required' }, compression: ['zlib'] },
  },
  {
    name: 'TLS, to compression',
    client: { tls: TLS, capabilities: 0 },
    servers: { compression: [NEWEST] },
  },
  {
    name: 'compression, to TLS',
    client: { compression: NEWEST, capabilities: 0 },
    servers: { tls: { mode: 'preferred' } },
  },
  {
    name: 'TLS, to TLS',
    client: { tls: TLS, capabilities: ALL },
    servers: { tls: { mode: 'required' } },
  },
  {
    name: 'compression, to compression',
    client: { compression: 'zlib', capabilities: ALL },
    servers: { compression: ['zlib'] },
  },
];

for (const { name, client, servers } of TRANSPORTS) {
  describe(`a client sees what it sees on the primary without any of it: ${name}`, () => {
    let proxy: TestProxy;
    beforeAll(async () => {
      const dataDirectory = await temporaryDirectory();
      const clients = { tls: { mode: 'preferred' }, compression: COMPRESSION_ALGORITHMS } as const;
      proxy = await startProxy({ poolMax: 2, options: { dataDirectory, clients, servers } });
    });

    for (const script of SCRIPTS) {
      test(script.name, async () => {
        const direct = await transcript(script, { ...nodeInfo(0), capabilities: client.capabilities ?? 0 });
        const proxied = await transcript(script, { host: proxy.host, port: proxy.port, ...client });
        expect(proxied).toEqual(direct);
      });
    }
  });
}
