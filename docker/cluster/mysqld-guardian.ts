import { spawn, type ChildProcess } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Server } from './fleet.js';
import { packageFile } from './package-file.js';

const INITIALIZE_TIMEOUT_MS = 120_000;
const ANSWER_TIMEOUT_MS = 30_000;
const LOG_TAIL_BYTES = 4_096;

type Answer = { readonly kind: 'initialized' | 'started' | 'exited'; readonly value: number };

/** One mysqld of this machine, held through `mysqld-guardian.sh`, which ends it when this process ends in whatever way. */
export class GuardedMysqld implements Server {
  readonly #directory: string;
  readonly #guardian: ChildProcess;
  readonly #gone: Promise<void>;
  readonly #waiting: { readonly kind: Answer['kind']; readonly resolve: (value: number) => void }[] = [];
  #pid: number | undefined;

  constructor(directory: string, command: readonly string[]) {
    this.#directory = directory;
    // In a session of its own: a Ctrl-C in the terminal is for this process, which then takes its servers down in order.
    const guardian = spawn('sh', [packageFile('docker/cluster/mysqld-guardian.sh'), directory, ...command], {
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    this.#guardian = guardian;
    this.#gone = new Promise((resolve) => {
      guardian.once('exit', () => resolve());
      guardian.once('error', () => resolve());
    });
    // A guardian that is gone answers nothing more: the waiting time out, the write itself is no error of ours.
    guardian.stdin.on('error', () => {});
    createInterface({ input: guardian.stdout }).on('line', (line) => {
      const answer = parseAnswer(line);
      if (answer !== undefined) this.#take(answer);
    });
  }

  async initialize(): Promise<void> {
    const exitCode = await this.#ask('initialize', 'initialized', INITIALIZE_TIMEOUT_MS);
    if (exitCode !== 0) throw new Error(`mysqld --initialize ended with code ${exitCode}\n${await this.logTail()}`);
  }

  async start(): Promise<void> {
    await this.#ask('start', 'started', ANSWER_TIMEOUT_MS);
  }

  async kill(): Promise<void> {
    if (this.#pid === undefined) return;
    const exited = this.#answer('exited', ANSWER_TIMEOUT_MS);
    this.#send('SIGKILL');
    await exited;
  }

  freeze(): Promise<void> {
    this.#send('SIGSTOP');
    return Promise.resolve();
  }

  thaw(): Promise<void> {
    this.#send('SIGCONT');
    return Promise.resolve();
  }

  isRunning(): Promise<boolean> {
    return Promise.resolve(this.#pid !== undefined);
  }

  async logTail(): Promise<string> {
    const file = await open(join(this.#directory, 'mysqld.log')).catch(() => undefined);
    if (file === undefined) return '';
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read({
        buffer: Buffer.alloc(LOG_TAIL_BYTES),
        position: Math.max(0, size - LOG_TAIL_BYTES),
      });
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** Ends the server and removes its directory. */
  async stop(): Promise<void> {
    this.#guardian.stdin?.end();
    await this.#gone;
  }

  #take(answer: Answer): void {
    if (answer.kind === 'started') this.#pid = answer.value;
    if (answer.kind === 'exited') this.#pid = undefined;
    const index = this.#waiting.findIndex((waiting) => waiting.kind === answer.kind);
    if (index >= 0) this.#waiting.splice(index, 1)[0]?.resolve(answer.value);
  }

  #ask(verb: string, kind: Answer['kind'], timeoutMs: number): Promise<number> {
    const answer = this.#answer(kind, timeoutMs);
    this.#guardian.stdin?.write(`${verb}\n`);
    return answer;
  }

  #answer(kind: Answer['kind'], timeoutMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`mysqld in ${this.#directory}: not "${kind}" within ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
      this.#waiting.push({
        kind,
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
      });
    });
  }

  #send(signal: NodeJS.Signals): void {
    if (this.#pid === undefined) return;
    try {
      process.kill(this.#pid, signal);
    } catch {
      // It ended by itself a moment ago, and the guardian's word of that is under way.
    }
  }
}

function parseAnswer(line: string): Answer | undefined {
  const [kind, value] = line.split(' ');
  if (kind !== 'initialized' && kind !== 'started' && kind !== 'exited') return undefined;
  return { kind, value: Number(value) };
}
