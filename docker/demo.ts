import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEFAULTS } from '../src/defaults.js';
import { COMPRESSION_ALGORITHMS } from '../src/runtime/compression.js';
import { createLog } from '../src/runtime/log.js';
import { parseAddress } from '../proxy/cli/address.js';
import { firstTcp } from '../proxy/listen/listeners.js';
import { Proxy } from '../proxy/proxy.js';
import { cacheDirectory } from './cluster/cache-directory.js';
import type { Cluster } from './cluster/cluster.js';
import { startCluster } from './cluster/start-cluster.js';
import { smoke } from './smoke.js';

const HELP = `npm start: brings up a real cluster (one primary, two replicas) and the proxy before it.

  npm start                          until Ctrl-C
  npm start -- --smoke               shows the product at work, then takes all down; exit code 0 if all was as promised
  npm start -- --listen HOST:PORT    where clients connect (127.0.0.1:3307)
  npm start -- --replicas N          so many replicas (2)
`;

/** What `npm start` runs. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      smoke: { type: 'boolean' },
      listen: { type: 'string', default: '127.0.0.1:3307' },
      replicas: { type: 'string', default: '2' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const listen = parseAddress(values.listen, '--listen', { host: '127.0.0.1', port: 3307 });
  const stopped = untilSignalled();
  try {
    // Before the servers are brought up, which may take a minute.
    await checkFree(listen);
    const cluster = await startCluster({
      replicaCount: Number(values.replicas),
      semiSync: Number(values.replicas) > 1,
      signal: stopped.signal,
      onProgress: tell,
    });
    try {
      return await serve(cluster, listen, values.smoke === true, stopped);
    } finally {
      tell('taking the cluster down');
      await cluster.stop();
    }
  } catch (error) {
    if (stopped.signal.aborted) return 130;
    process.stderr.write(`rwsplit: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

async function serve(
  cluster: Cluster,
  listen: { host: string; port: number },
  showsOff: boolean,
  stopped: { readonly signal: AbortSignal; readonly promise: Promise<void> },
): Promise<number> {
  const proxy = new Proxy(
    {
      listen: [listen],
      nodes: cluster.nodes.map(({ name, host, port }) => ({ name, host, port })),
      monitor: cluster.accounts.monitor,
      poolMax: DEFAULTS.poolMax,
      coordinator: { kind: 'alone' },
      failover: { account: cluster.accounts.failover, rebuilds: true },
      // TLS as `rwsplit proxy` has it by default.
      dataDirectory: join(cacheDirectory(), 'demo'),
      clients: { tls: { mode: 'preferred' }, compression: COMPRESSION_ALGORITHMS },
      servers: { tls: { mode: 'preferred' } },
    },
    createLog(showsOff ? 'error' : 'warn'),
  );
  const bound = firstTcp(await proxy.start());
  try {
    process.stdout.write(describe(cluster, bound));
    if (showsOff) return await smoke(cluster, bound, process.stdout, () => proxy.snapshot);
    process.stdout.write('Ctrl-C takes it all down.\n');
    await stopped.promise;
    return 0;
  } finally {
    tell('stopping the proxy');
    await proxy.stop();
  }
}

function describe(cluster: Cluster, bound: { host: string; port: number }): string {
  const { app } = cluster.accounts;
  const rows = cluster.nodes.map(
    (node, index) => `  ${node.name}   ${index === 0 ? 'primary' : 'replica'}   ${node.host}:${node.port}`,
  );
  return `
rwsplit: ready on ${bound.host}:${bound.port}

MySQL ${cluster.version}, by way of: ${cluster.provider}
${rows.join('\n')}
  rwsplit  proxy     ${bound.host}:${bound.port}

Connect any MySQL client, as to one server:
  mysql -h ${bound.host} -P ${bound.port} -u ${app.user} -p${app.password}
  mysql://${app.user}:${app.password}@${bound.host}:${bound.port}/
Ask who answered with:  SELECT @@server_id;

`;
}

async function checkFree({ host, port }: { readonly host: string; readonly port: number }): Promise<void> {
  const server = createServer();
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (cause) {
    throw new Error(`${host}:${port} cannot be listened on; choose another place with -- --listen HOST:PORT`, {
      cause,
    });
  } finally {
    server.close();
  }
}

function tell(line: string): void {
  process.stderr.write(`· ${line}\n`);
}

/** Ctrl-C and its like; a second one ends the process at once (the servers end with it). */
function untilSignalled(): { readonly signal: AbortSignal; readonly promise: Promise<void> } {
  const controller = new AbortController();
  const promise = new Promise<void>((resolve) => {
    const stop = (): void => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  });
  return { signal: controller.signal, promise };
}
