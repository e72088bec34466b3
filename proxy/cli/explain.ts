import { parseArgs } from 'node:util';
import { lexModeOf } from '../../src/session/lex-mode.js';
import { freshState } from '../../src/session/session-state.js';
import { explainGeneralLog } from './explain-general-log.js';
import { explainProxy } from './explain-proxy.js';
import { explainStatements } from './explain-statements.js';
import { UsageError } from './usage-error.js';

const HELP = `Says where statements go, and why.

Usage: rwsplit explain [options] "SQL"
       rwsplit explain [options] --file FILE
       rwsplit explain [options] --general-log FILE
       rwsplit explain [--json] --proxy HOST:PORT --user USER [--password-env NAME]

  --file FILE            each statement of a file, where it would go; - is standard input
  --general-log FILE     what a MySQL server's general query log has, where it would go: by kind of statement, with counts and the
                         share that replicas could take. Each connection is followed through its transactions; - is standard input
  --proxy HOST:PORT      what a running proxy has been asked, and where it went
  --user USER            its monitor's user
  --password-env NAME    the environment variable that has this user's password
  --json                 one JSON object a line
  --sql-mode MODES       the session's sql_mode, such as ANSI_QUOTES,NO_BACKSLASH_ESCAPES
  --charset NAME         the session's character_set_client (default utf8mb4)
  --server-version X     9.7.0 (default), 8.0.36, 10.11.19-MariaDB: decides about /*!80000 ... */
  --help

Nothing is sent anywhere but to the proxy that is named. A SQL text that begins with dashes goes after --.

Example:

  $ rwsplit explain "SELECT name FROM users WHERE id = 1 FOR UPDATE"
  SELECT name FROM users WHERE id = 1 FOR UPDATE
    goes to  the primary
    reason   locking-read: it locks the rows that it reads
    tables   users
`;

/** Of the character sets whose bytes after the first may be ASCII. */
const ENCODINGS: ReadonlyMap<string, string> = new Map([
  ['gbk', 'gbk'],
  ['sjis', 'shift_jis'],
  ['cp932', 'shift_jis'],
  ['big5', 'big5'],
  ['gb18030', 'gb18030'],
]);
const DEFAULT_VERSION = '9.7.0';

/** @returns the exit code */
export async function explain(args: readonly string[]): Promise<number> {
  const { values, positionals: texts } = parse(args);
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const { file, proxy, 'general-log': log, json = false } = values;
  if ([file, log, proxy].filter((it) => it !== undefined).length > 1) {
    throw new UsageError('explain takes one of --file, --general-log and --proxy');
  }
  if ((log ?? proxy) !== undefined && texts.length > 0) throw new UsageError('explain takes a SQL text alone');
  const version = readVersion(values['server-version']);
  const charset = values.charset?.toLowerCase() ?? 'utf8mb4';
  const baseline = new Map([
    ['autocommit', 'ON'],
    ['sql_mode', sqlModeOf(values['sql-mode'])],
    ['character_set_client', charset],
  ]);
  if (proxy !== undefined) {
    if (values.user === undefined) throw new UsageError("name the proxy's monitor user with --user");
    await explainProxy({ address: proxy, user: values.user, passwordEnv: values['password-env'] }, json);
  } else if (log !== undefined) {
    await explainGeneralLog({ file: log, baseline, version, defaultVersion: DEFAULT_VERSION, json });
  } else {
    const mode = lexModeOf(freshState(''), baseline, version ?? DEFAULT_VERSION);
    await explainStatements({ file, texts, mode, encoding: ENCODINGS.get(charset) ?? 'utf-8', json });
  }
  return 0;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        file: { type: 'string' },
        'general-log': { type: 'string' },
        proxy: { type: 'string' },
        user: { type: 'string' },
        'password-env': { type: 'string' },
        json: { type: 'boolean' },
        'sql-mode': { type: 'string' },
        charset: { type: 'string' },
        'server-version': { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${message.split('. ')[0] ?? message}; see rwsplit explain --help`);
  }
}

function readVersion(version: string | undefined): string | undefined {
  if (version === undefined || /^\d+\.\d+\.\d+/.test(version)) return version;
  throw new UsageError(`--server-version '${version}' is not like 9.7.0 or 10.11.19-MariaDB`);
}

/** As a server shows it: ANSI stands for several. */
function sqlModeOf(text = ''): string {
  const modes = text.toUpperCase().split(',');
  return (modes.includes('ANSI') ? [...modes, 'ANSI_QUOTES', 'IGNORE_SPACE'] : modes).join(',');
}
