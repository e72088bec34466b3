import { check } from './check.js';
import { explain } from './explain.js';
import { failover } from './failover.js';
import { runProxy } from './proxy.js';
import { switchover } from './switchover.js';
import { UsageError } from './usage-error.js';
import { version } from './version.js';

/** Exit codes of every verb. */
export const EXIT = { ok: 0, problem: 1, usage: 2 } as const;

type Verb = (args: readonly string[]) => number | Promise<number>;

const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>([
  ['proxy', runProxy],
  ['check', check],
  ['explain', explain],
  ['switchover', switchover],
  ['failover', failover],
  ['version', version],
]);

const HELP = `rwsplit splits a MySQL application's statements over one primary and its replicas.

Usage: rwsplit VERB [options]

  proxy        serve MySQL clients
  check        look at the servers, and say what is missing
  explain      say where a statement would go, and why
  switchover   make another node the primary
  failover     replace a primary that is dead, by hand
  version      print the version

rwsplit VERB --help tells more.
`;

/** @returns the exit code: 0 ok, 1 a problem, 2 wrong usage */
export async function main(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (verb === undefined || verb === 'help' || verb === '--help' || verb === '-h') {
    process.stdout.write(HELP);
    return verb === undefined ? EXIT.usage : EXIT.ok;
  }
  const run = VERBS.get(verb === '--version' ? 'version' : verb);
  try {
    if (run === undefined) {
      throw new UsageError(`there is no verb '${verb}'; the verbs are ${[...VERBS.keys()].join(', ')}`);
    }
    return await run(rest);
  } catch (error) {
    process.stderr.write(`rwsplit: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof UsageError ? EXIT.usage : EXIT.problem;
  }
}
