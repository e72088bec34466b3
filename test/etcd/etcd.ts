import { mkdirSync, mkdtempSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll } from 'vitest';
import { cacheDirectory } from '../../docker/cluster/cache-directory.js';
import { freePorts } from '../../docker/cluster/free-ports.js';
import { GuardedMysqld } from '../../docker/cluster/mysqld-guardian.js';
import { packageFile } from '../../docker/cluster/package-file.js';
import { runCommand } from '../../docker/cluster/run-command.js';
import { waitUntil } from '../../docker/cluster/wait-until.js';

const FETCH_TIMEOUT_MS = 5 * 60_000;
const START_TIMEOUT_MS = 30_000;
const HOST = '127.0.0.1';

const running: GuardedMysqld[] = [];
afterAll(async () => {
  await Promise.all(running.splice(0).map(async (server) => server.stop()));
});

export interface TestEtcd {
  readonly host: string;
  readonly port: number;
  /** As a coordinator takes it. */
  readonly endpoint: string;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Its data goes with it. */
  stop(): Promise<void>;
}

/** An etcd of one member, without data, which ends with the test file. @param port a free one when absent @param options as on its command line */
export async function startEtcd(port?: number, options: readonly string[] = []): Promise<TestEtcd> {
  const [clientPort = 0, peerPort = 0] = port === undefined ? await freePorts(2) : [port, ...(await freePorts(1))];
  return startMember('alone', clientPort, peerPort, options);
}

/** An etcd of three. */
export async function startEtcdMembers(): Promise<readonly TestEtcd[]> {
  const ports = await freePorts(6);
  const members = ['a', 'b', 'c'].map((name, index) => ({
    name,
    clientPort: ports[index] ?? 0,
    peerPort: ports[index + 3] ?? 0,
  }));
  const all = members.map(({ name, peerPort }) => `${name}=${peerUrl(peerPort)}`).join(',');
  return Promise.all(
    members.map(async ({ name, clientPort, peerPort }) =>
      startMember(name, clientPort, peerPort, [
        '--initial-cluster',
        all,
        '--initial-advertise-peer-urls',
        peerUrl(peerPort),
      ]),
    ),
  );
}

async function startMember(
  name: string,
  port: number,
  peerPort: number,
  options: readonly string[],
): Promise<TestEtcd> {
  const program = await fetchEtcd();
  // Emptied by the guardian, also when this process is killed.
  const directory = join(mkdtempSync(join(tmpdir(), 'rwsplit-etcd-')), 'member');
  mkdirSync(directory);
  const endpoint = `${options.includes('--cert-file') ? 'https' : 'http'}://${HOST}:${port}`;
  const urls = ['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint]
    .concat(['--listen-peer-urls', peerUrl(peerPort)])
    .concat(options);
  // Beside x64 it wants to be told that it may run. A last argument is for mysqld, and none of its own.
  const script = `ETCD_UNSUPPORTED_ARCH=${process.arch} exec ${program} --name ${name} --data-dir ${directory}/data ${urls.join(' ')}`;
  const guarded = new GuardedMysqld(directory, ['sh', '-c', script]);
  running.push(guarded);
  await guarded.start();
  await waitUntil('etcd answers', START_TIMEOUT_MS, async () => {
    if (!(await guarded.isRunning())) throw new Error(await guarded.logTail());
    return (await guarded.logTail()).includes('ready to serve client requests') ? true : undefined;
  });
  return {
    host: HOST,
    port,
    endpoint,
    freeze: () => guarded.freeze(),
    thaw: () => guarded.thaw(),
    stop: () => guarded.stop(),
  };
}

function peerUrl(port: number): string {
  return `http://${HOST}:${port}`;
}

/** Asks an etcd that talks HTTP. */
export async function askEtcd({ endpoint }: TestEtcd, path: string, body: unknown, token?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: token };
    request(`${endpoint}/v3/${path}`, { method: 'POST', headers }, (response) => resolve(text(response)))
      .once('error', reject)
      .end(JSON.stringify(body));
  });
}

async function fetchEtcd(): Promise<string> {
  const script = packageFile('test/etcd/fetch-etcd.sh');
  const fetched = await runCommand('sh', [script, cacheDirectory()], { timeoutMs: FETCH_TIMEOUT_MS });
  if (fetched.exitCode !== 0) throw new Error(`etcd cannot be had:\n${fetched.stderrTail}`);
  return fetched.stdout.trim();
}
