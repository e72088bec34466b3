import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { getContainerRuntimeClient, type ContainerRuntimeClient } from 'testcontainers';

const TIMEOUT_MS = 15_000;

/** The engine that Testcontainers finds, or Podman at its own sockets. Rejects if none answers. */
export async function reachEngine(): Promise<ContainerRuntimeClient> {
  // Our containers use the host's network. Left alone, Testcontainers asks for a gateway that we do not need and may not exist.
  process.env['TESTCONTAINERS_HOST_OVERRIDE'] ??= '127.0.0.1';
  if (process.env['DOCKER_HOST'] === undefined && !existsSync('/var/run/docker.sock')) {
    const socket = podmanSockets().find((path) => existsSync(path));
    if (socket !== undefined) process.env['DOCKER_HOST'] = `unix://${socket}`;
  }
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([getContainerRuntimeClient(), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

function podmanSockets(): string[] {
  const runtimeDirectory = process.env['XDG_RUNTIME_DIR'];
  const rootless = runtimeDirectory === undefined ? [] : [join(runtimeDirectory, 'podman/podman.sock')];
  return [...rootless, '/run/podman/podman.sock'];
}
