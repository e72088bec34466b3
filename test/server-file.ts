import { readFile } from 'node:fs/promises';
import { getContainerRuntimeClient } from 'testcontainers';
import { clusterInfo } from './cluster.js';

/** What a server of the shared cluster wrote into a file whose path no other server uses, wherever its files are. */
export async function readServerFile(path: string): Promise<string> {
  if (clusterInfo().provider !== 'container') return readFile(path, 'utf8');
  const { container } = await getContainerRuntimeClient();
  const running = await container.list();
  for (const { Id } of running) {
    const { exitCode, stdout } = await container.exec(container.getById(Id), ['cat', path]);
    if (exitCode === 0) return stdout;
  }
  throw new Error(`none of ${running.length} containers has ${path}`);
}
