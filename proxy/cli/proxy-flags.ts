import { parseArgs } from 'node:util';
import type { ProxyLogin } from './ask-proxy.js';
import { UsageError } from './usage-error.js';

export const PROXY_HELP = `  --proxy HOST:PORT      a running proxy: the one that leads, where there are several
  --user USER            its monitor's user
  --password-env NAME    the environment variable that has this user's password
  --help
`;

export interface ProxyFlags {
  readonly login: ProxyLogin;
  readonly to: string | undefined;
  /** Those of the verb's own switches that are on. */
  readonly set: ReadonlySet<string>;
}

/** The flags of a verb that is said to a running proxy. @throws UsageError */
export function readProxyFlags(
  verb: string,
  args: readonly string[],
  switches: readonly string[],
): ProxyFlags | 'help' {
  const values = parse(verb, args, switches);
  if (values.get('help') === true) return 'help';
  const text = (name: string): string | undefined => {
    const value = values.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  const address = text('proxy');
  const user = text('user');
  if (address === undefined || user === undefined) {
    throw new UsageError(`name the proxy with --proxy and its monitor's user with --user (rwsplit ${verb} --help)`);
  }
  return {
    login: { address, user, passwordEnv: text('password-env') },
    to: text('to'),
    set: new Set(switches.filter((it) => values.get(it) === true)),
  };
}

function parse(verb: string, args: readonly string[], switches: readonly string[]): Map<string, unknown> {
  const ofSwitches = Object.fromEntries(switches.map((name) => [name, { type: 'boolean' as const }]));
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        proxy: { type: 'string' },
        user: { type: 'string' },
        'password-env': { type: 'string' },
        to: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        ...ofSwitches,
      },
    });
    return new Map(Object.entries(values));
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)} (rwsplit ${verb} --help)`);
  }
}
