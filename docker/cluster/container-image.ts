import { ImageName, type ContainerRuntimeClient } from 'testcontainers';

const PULL_TIMEOUT_MS = 5 * 60_000;

/** Sees to it that the engine has the image; says why not otherwise. */
export async function imageObjection(
  client: ContainerRuntimeClient,
  image: string,
  onProgress: (line: string) => void,
): Promise<string | undefined> {
  const name = ImageName.fromString(image);
  if (await client.image.exists(name)) return undefined;
  onProgress(`pulling ${image}, once; given up after ${PULL_TIMEOUT_MS / 60_000} min`);
  try {
    await pull(client, name);
    // A pull that fails half-way ends like one that does not.
    if (await client.image.exists(name)) return undefined;
    return `the image ${image} could not be pulled`;
  } catch (error) {
    return `the image ${image} is not here and could not be pulled: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function pull(client: ContainerRuntimeClient, name: ImageName): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${PULL_TIMEOUT_MS / 60_000} min`)), PULL_TIMEOUT_MS);
  });
  try {
    await Promise.race([client.image.pull(name), tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
