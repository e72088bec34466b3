import type { ContainerRuntimeClient } from 'testcontainers';
import type { Server } from './fleet.js';

type Container = ReturnType<ContainerRuntimeClient['container']['getById']>;

const LOG_TAIL_LINES = 40;
const FRAME_HEADER_BYTES = 8;

/** One mysqld as the first process of a container, where signals to the container are signals to the server. */
export class ContainerMysqld implements Server {
  readonly #container: Container;

  constructor(container: Container) {
    this.#container = container;
  }

  async start(): Promise<void> {
    await this.#container.start();
  }

  async kill(): Promise<void> {
    if (!(await this.isRunning())) return;
    await this.#container.kill({ signal: 'SIGKILL' });
    await this.#container.wait();
  }

  async freeze(): Promise<void> {
    await this.#container.kill({ signal: 'SIGSTOP' });
  }

  async thaw(): Promise<void> {
    await this.#container.kill({ signal: 'SIGCONT' });
  }

  async isRunning(): Promise<boolean> {
    return (await this.#container.inspect()).State.Running;
  }

  async logTail(): Promise<string> {
    return textOf(await this.#container.logs({ stdout: true, stderr: true, tail: LOG_TAIL_LINES, follow: false }));
  }
}

/** The engine sends what a container writes in frames: a stream's number, three zeros, a length in four bytes, and that much text. */
function textOf(frames: Buffer): string {
  const texts: string[] = [];
  let offset = 0;
  while (offset + FRAME_HEADER_BYTES <= frames.length) {
    const start = offset + FRAME_HEADER_BYTES;
    offset = start + frames.readUInt32BE(offset + 4);
    texts.push(frames.toString('utf8', start, offset));
  }
  return texts.join('');
}
