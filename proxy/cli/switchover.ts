import { askProxy, tableOf } from './ask-proxy.js';
import { PROXY_HELP, readProxyFlags } from './proxy-flags.js';
import { UsageError } from './usage-error.js';

const HELP = `Makes another node the primary, through a running proxy: writes wait for a moment, and no client is told. Or everything stays as it was.

Usage: rwsplit switchover --to NODE --proxy HOST:PORT --user USER [options]

  --to NODE              its name, as SHOW RWSPLIT NODES has it
  --dry-run              what would be done, step by step, or why it would not
  --force                transactions that do not end by themselves are ended
${PROXY_HELP}`;

/** @returns the exit code: 1 where it was not done */
export async function switchover(args: readonly string[]): Promise<number> {
  const flags = readProxyFlags('switchover', args, ['dry-run', 'force']);
  if (flags === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const { login, to, set } = flags;
  if (to === undefined) throw new UsageError('name the node with --to');
  if (/['"\\]/.test(to)) throw new UsageError(`no node is named ${to}`);
  const how = set.has('dry-run') ? ' DRY RUN' : set.has('force') ? ' FORCE' : '';
  const rows = await askProxy(login, `RWSPLIT SWITCHOVER TO '${to}'${how}`);
  process.stdout.write(tableOf(set.has('dry-run') ? ['step', 'node', 'what', 'why'] : ['node', 'what'], rows));
  return 0;
}
