import { readFileSync } from 'node:fs';
import { runProgram, transcriptOf, type Server } from './both-ways.js';

/** A client's command line without what is about the server: the same for all that MySQL or MariaDB ship. */
export interface CommandLine {
  readonly file: string;
  readonly args: readonly string[];
}

export function loginOptions({ host, port, user }: Server): string[] {
  return ['-h', host, '-P', String(port), '-u', user];
}

/** The statements that a person could type, in a file of `scripts/`. */
export const SESSION = readFileSync(new URL('scripts/session.sql', import.meta.url));

/** What a command line client prints for statements, without what no two sessions have in common. */
export async function session(client: CommandLine, server: Server, input: string | Buffer): Promise<string> {
  const result = await runProgram(
    client.file,
    [...client.args, ...loginOptions(server), server.schema],
    server.password,
    input,
  );
  return transcriptOf(result)
    .replace(/^(Connection id|TCP port|Uptime|Threads):.*$/gm, '$1: …')
    .replace(/\(\d+\.\d+ sec\)/g, '(… sec)');
}
