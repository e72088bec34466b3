import type { RowDataPacket } from 'mysql2/promise';
import { parseAddress } from './address.js';
import { formatTable } from './table.js';
import { UsageError } from './usage-error.js';

export interface ExplainProxyOptions {
  readonly address: string;
  readonly user: string;
  /** The environment variable that has the password. */
  readonly passwordEnv: string | undefined;
  readonly json: boolean;
}

const ER_PARSE_ERROR = 1064;

/** Prints what a running proxy answers to SHOW RWSPLIT DIGESTS. @throws Error with one clear sentence */
export async function explainProxy({ address, user, passwordEnv, json }: ExplainProxyOptions): Promise<void> {
  const { host, port } = parseAddress(address, '--proxy', { host: '127.0.0.1', port: 3307 });
  const password = passwordEnv === undefined ? '' : process.env[passwordEnv];
  if (password === undefined) {
    throw new UsageError(`the environment variable ${passwordEnv}, named with --password-env, is not set`);
  }
  const rows = await ask(host, port, user, password);
  process.stdout.write(json ? rows.map((it) => `${JSON.stringify(it)}\n`).join('') : toText(rows));
}

async function ask(host: string, port: number, user: string, password: string): Promise<RowDataPacket[]> {
  const { createConnection } = await import('mysql2/promise');
  try {
    const connection = await createConnection({ host, port, user, password });
    try {
      const [rows] = await connection.query<RowDataPacket[]>('SHOW RWSPLIT DIGESTS');
      return rows;
    } finally {
      connection.destroy();
    }
  } catch (error) {
    const at = `${host}:${port}`;
    if (error instanceof Error && 'errno' in error && error.errno === ER_PARSE_ERROR) {
      throw new Error(`${at} is no rwsplit proxy: name where clients connect, not a server`, { cause: error });
    }
    // Of a refused connection to several addresses Node tells nothing but the code.
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why = error instanceof Error && error.message !== '' ? error.message : code;
    throw new Error(`the proxy at ${at} cannot be asked: ${why}`, { cause: error });
  }
}

function toText(rows: readonly RowDataPacket[]): string {
  if (rows.length === 0) return 'The proxy has not been asked anything yet.\n';
  const shown = ['count', 'refused', 'target', 'node', 'reason', 'statement'];
  return formatTable(
    shown,
    rows.map((row) => shown.map((name) => (typeof row[name] === 'number' ? row[name] : String(row[name])))),
  );
}
