import { askProxy, tableOf } from './ask-proxy.js';
import { PROXY_HELP, readProxyFlags } from './proxy-flags.js';
import { UsageError } from './usage-error.js';

const HELP = `Replaces a primary that does not answer, through a running proxy, whatever speaks against its doing so by itself.

Usage: rwsplit failover --proxy HOST:PORT --user USER [options]

  --dry-run              what would be done if the primary were dead, step by step, or why it would not
${PROXY_HELP}`;

/** @returns the exit code: 1 where it was not done */
export async function failover(args: readonly string[]): Promise<number> {
  const flags = readProxyFlags('failover', args, ['dry-run']);
  if (flags === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (flags.to !== undefined) throw new UsageError('the best node is found by itself; to choose one is a switchover');
  const isDry = flags.set.has('dry-run');
  const rows = await askProxy(flags.login, `RWSPLIT FAILOVER${isDry ? ' DRY RUN' : ''}`);
  process.stdout.write(tableOf(isDry ? ['step', 'node', 'what', 'why'] : ['node', 'what'], rows));
  return 0;
}
