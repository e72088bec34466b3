import { readFileSync } from 'node:fs';
import { runProgram, transcriptOf, type Server } from './both-ways.js';

/** A client's command line without what is about the server: the same for all that MySQL or MariaDB ship. */
export interface CommandLine {
  readonly file: string;
  readonly args: readonly string[];
}

export function loginOptions({ host, port, socket, user }: Server): string[] {
  const where = socket === undefined ? ['-h', host, '-P', String(port)] : ['-S', socket];
  return [...where, '-u', user];
}

/** What MySQL's programs are told of the way, which they would choose otherwise. */
export function wayOfMysql({ ca, compression }: Server): string[] {
  return [
    '--get-server-public-key',
    ...(ca === undefined ? ['--ssl-mode=DISABLED'] : ['--ssl-mode=VERIFY_CA', `--ssl-ca=${ca}`]),
    ...(compression === undefined ? [] : [`--compression-algorithms=${compression}`]),
  ];
}

/** The same for MariaDB's, which have zlib only. */
export function wayOfMariadb({ ca, compression }: Server): string[] {
  return [
    ...(ca === undefined ? ['--skip-ssl'] : ['--ssl', `--ssl-ca=${ca}`]),
    ...(compression === undefined ? [] : ['--compress']),
  ];
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
    .replace(/^Protocol:\t+Compressed.*\n/gm, '')
    .replace(/^(Connection id|Uptime|Threads|SSL|Connection):.*$/gm, '$1: …')
    .replace(/^(TCP port|UNIX socket):.*$/gm, 'Place: …')
    .replace(/\(\d+\.\d+ sec\)/g, '(… sec)');
}
