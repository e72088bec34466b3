import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const BIN = fileURLToPath(new URL('../dist/proxy/cli/bin.js', import.meta.url));

const running: ProxyProcess[] = [];
afterAll(() => {
  for (const it of running.splice(0)) it.signal('SIGKILL');
});

/** `rwsplit proxy` as a process of its own: it can be killed, and made to stand still. Ends with the test file. */
export class ProxyProcess {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** @param args beside where it listens @param env passwords, say */
  static async start(args: readonly string[], env: Readonly<Record<string, string>>): Promise<ProxyProcess> {
    if (!existsSync(BIN)) throw new Error(`${BIN} is missing: run "npm run build" first`);
    const child = spawn(process.execPath, [BIN, 'proxy', '--listen', '127.0.0.1:0', ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /^rwsplit: ready on 127\.0\.0\.1:(\d+)$/.exec(line)?.[1];
      if (port === undefined) continue;
      const started = new ProxyProcess(child, Number(port));
      running.push(started);
      return started;
    }
    throw new Error('it ended before it was ready');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.signal('SIGKILL');
    await ended;
  }
}
