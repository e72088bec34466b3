import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const KEPT_LINES = 30;

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  /** The last lines of stderr. */
  readonly stderrTail: string;
}

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly onStderrLine?: (line: string) => void;
}

/** Runs a command to its end without a terminal. Rejects if it cannot be started or takes too long. */
export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    const stderrLines: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    createInterface({ input: child.stderr }).on('line', (line) => {
      stderrLines.push(line);
      if (stderrLines.length > KEPT_LINES) stderrLines.shift();
      options.onStderrLine?.(line);
    });
    child.once('error', reject);
    child.once('close', (exitCode, signal) => {
      const stderrTail = stderrLines.join('\n');
      if (exitCode === null) reject(new Error(`${file} was ended by ${signal ?? 'a signal'}\n${stderrTail}`));
      else resolve({ exitCode, stdout, stderrTail });
    });
  });
}
