import { findingsOf } from '../../src/check/check.js';
import type { Finding } from '../../src/check/finding.js';
import { createLog } from '../../src/runtime/log.js';
import type { MonitorAccount } from '../../src/runtime/monitor-login.js';
import { factsOf } from '../check-cluster.js';
import { openServerTls } from '../tls/open-tls.js';
import { readSettings } from './proxy.js';
import { readSecret } from './secret.js';
import { UsageError } from './usage-error.js';

const HELP = `Looks at all servers, and says what is missing: for the proxy, for reads of own writes, for failovers that lose nothing, for several proxies.

Usage: rwsplit check --node HOST:PORT … --monitor-user USER [options]
       rwsplit check --config FILE

  --coordinator alone      what would be missing if this proxy promoted
  --app-user USER          an application's user: whether it can log in everywhere, and is bound by read_only
  --app-password-env NAME  the environment variable with that user's password
  --json                   one finding a line
  and what rwsplit proxy takes: the same flags, the same file

It changes nothing, and needs no running proxy. The exit code is 1 where something is an error, 0 else.
`;

/** `rwsplit check`. @returns the exit code */
export async function check(args: readonly string[]): Promise<number> {
  const own = readOwn(args);
  const settings = readSettings(own.rest, 'check');
  if (settings === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const { options } = settings;
  const tls = openServerTls(options.servers?.tls, createLog('silent'));
  const facts = await factsOf(options, options.nodes, tls, own.apps).finally(() => tls.stop());
  const findings = findingsOf(facts);
  if (own.json) for (const finding of findings) process.stdout.write(`${JSON.stringify(finding)}\n`);
  else process.stdout.write(textOf(findings, facts.nodes.length));
  return findings.some(({ severity }) => severity === 'error') ? 1 : 0;
}

interface OwnFlags {
  readonly json: boolean;
  readonly apps: readonly MonitorAccount[];
  readonly rest: readonly string[];
}

/** What the proxy does not take, and the rest. */
function readOwn(args: readonly string[]): OwnFlags {
  const rest: string[] = [];
  const values = new Map<string, string>();
  const left = [...args];
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    const [name = '', given] = arg.split('=', 2);
    if (name === '--app-user' || name === '--app-password-env') {
      const value = given ?? left.shift();
      if (value === undefined) throw new UsageError(`${name} needs a value (rwsplit check --help)`);
      values.set(name, value);
    } else if (arg !== '--json') rest.push(arg);
  }
  const user = values.get('--app-user');
  const variable = values.get('--app-password-env');
  if (user === undefined && variable !== undefined) throw new UsageError('name the user of the password: --app-user');
  const password = variable === undefined ? '' : readSecret(variable, "the application's password");
  return { json: args.includes('--json'), apps: user === undefined ? [] : [{ user, password }], rest };
}

/** For people. */
export function textOf(findings: readonly Finding[], nodes: number): string {
  const blocks = findings.map(({ severity, node, check: what, is, should, why, mend }) => {
    const lines = [
      `${severity}: ${node === '' ? '' : `${node}: `}${what}: ${is}`,
      `  should be  ${should}`,
      `  because    ${why}`,
    ];
    if (mend !== '') lines.push(`  mend       ${mend}`);
    return `${lines.join('\n')}\n`;
  });
  const count = (severity: Finding['severity']): number => findings.filter((it) => it.severity === severity).length;
  return `${blocks.join('\n')}${blocks.length === 0 ? '' : '\n'}${nodes} servers: ${count('error')} errors, ${count('warning')} warnings, ${count('hint')} hints\n`;
}
