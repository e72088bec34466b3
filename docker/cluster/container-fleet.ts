import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { GenericContainer, type ContainerRuntimeClient } from 'testcontainers';
import { reachEngine } from './container-engine.js';
import { imageObjection } from './container-image.js';
import { ContainerMysqld } from './container-mysqld.js';
import type { Fleet, Launch, LaunchRequest, ServerSpec } from './fleet.js';
import { optionFile } from './option-file.js';
import { isOwnerAlive, ownerId } from './owner.js';

const DEFAULT_IMAGE = 'mysql:8.4';

const LABELS = { owner: 'rwsplit.owner', host: 'rwsplit.host', cluster: 'rwsplit.cluster' } as const;

// Ours and not the image's entrypoint, so that an image made of nothing but Debian's packages works like the official one. The data stay
// in the container, which is started again, not made anew, after a kill.
const START_SCRIPT = `
cd /rwsplit || exit
if [ ! -d data/mysql ]; then
  mysqld --defaults-file=/rwsplit/my.cnf --initialize-insecure --init-file=/rwsplit/init.sql --skip-log-bin || exit
fi
exec mysqld --defaults-file=/rwsplit/my.cnf
`;

export async function launchContainers(request: LaunchRequest): Promise<Launch> {
  let client: ContainerRuntimeClient;
  try {
    client = await reachEngine();
  } catch (error) {
    return { kind: 'unavailable', reason: `no container engine is reachable (${messageOf(error)})` };
  }
  const image = process.env['RWSPLIT_MYSQL_IMAGE'] ?? DEFAULT_IMAGE;
  const objection = await imageObjection(client, image, request.onProgress);
  if (objection !== undefined) return { kind: 'unavailable', reason: objection };

  await removeLeftovers(client);
  request.onProgress(`starting ${request.specs.length} containers of ${image}`);
  const cluster = randomBytes(6).toString('hex');
  const servers: ContainerMysqld[] = [];
  const fleet: Fleet = { servers, stop: () => removeContainers(client, `${LABELS.cluster}=${cluster}`) };
  try {
    // One after the other up to the start of the process: the servers' own start, the long part, overlaps anyway.
    for (const spec of request.specs) {
      const started = await containerOf(image, cluster, spec, request.initSql).start();
      servers.push(new ContainerMysqld(client.container.getById(started.getId())));
    }
  } catch (error) {
    await fleet.stop();
    throw error;
  }
  return { kind: 'launched', fleet };
}

function containerOf(image: string, cluster: string, spec: ServerSpec, initSql: string): GenericContainer {
  const paths = [
    'datadir=/rwsplit/data',
    'socket=/rwsplit/mysqld.sock',
    'pid-file=/rwsplit/mysqld.pid',
    // An image need not have the user mysql.
    'user=root',
  ];
  return (
    new GenericContainer(image)
      .withEntrypoint(['sh', '-c'])
      .withCommand([START_SCRIPT])
      .withUser('root')
      // The servers then have the same addresses for each other as for everybody on this machine, and listen on loopback only.
      .withNetworkMode('host')
      .withLabels({ [LABELS.owner]: ownerId(), [LABELS.host]: hostname(), [LABELS.cluster]: cluster })
      .withCopyContentToContainer([
        { content: optionFile([...spec.options, ...paths]), target: '/rwsplit/my.cnf', mode: 0o644 },
        { content: initSql, target: '/rwsplit/init.sql', mode: 0o600 },
      ])
      // The reaper of Testcontainers is one more image to pull; the labels above do its work at the next start.
      .withAutoCleanup(false)
  );
}

/** Containers of programs on this machine that ended without taking them down. */
async function removeLeftovers(client: ContainerRuntimeClient): Promise<void> {
  const containers = await client.container.dockerode.listContainers({ all: true, filters: { label: [LABELS.owner] } });
  for (const { Id, Labels } of containers) {
    const owner = Labels[LABELS.owner];
    if (owner === undefined || Labels[LABELS.host] !== hostname() || isOwnerAlive(owner)) continue;
    await removeContainer(client, Id);
  }
}

async function removeContainers(client: ContainerRuntimeClient, label: string): Promise<void> {
  const containers = await client.container.dockerode.listContainers({ all: true, filters: { label: [label] } });
  await Promise.all(containers.map(({ Id }) => removeContainer(client, Id)));
}

async function removeContainer(client: ContainerRuntimeClient, id: string): Promise<void> {
  try {
    await client.container.getById(id).remove({ force: true, v: true });
  } catch (error) {
    // Somebody else was at it: gone already, or being removed.
    if (!/no such container|already in progress/i.test(messageOf(error))) throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
