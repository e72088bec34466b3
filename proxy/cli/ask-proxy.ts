import type { RowDataPacket } from 'mysql2/promise';
import { parseAddress } from './address.js';
import { formatTable } from './table.js';
import { UsageError } from './usage-error.js';

/** Which running proxy, and as whom. */
export interface ProxyLogin {
  readonly address: string;
  readonly user: string;
  /** The environment variable that has the password. */
  readonly passwordEnv: string | undefined;
}

const ER_PARSE_ERROR = 1064;
const ER_WRONG_ARGUMENTS = 1210;

/** What a running proxy answers to a statement of its own. @throws Error with one clear sentence */
export async function askProxy({ address, user, passwordEnv }: ProxyLogin, sql: string): Promise<RowDataPacket[]> {
  const { host, port } = parseAddress(address, '--proxy', { host: '127.0.0.1', port: 3307 });
  const password = passwordEnv === undefined ? '' : process.env[passwordEnv];
  if (password === undefined) {
    throw new UsageError(`the environment variable ${passwordEnv}, named with --password-env, is not set`);
  }
  const { createConnection } = await import('mysql2/promise');
  try {
    const connection = await createConnection({ host, port, user, password });
    try {
      const [rows] = await connection.query<RowDataPacket[]>(sql);
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
    // It was asked, and said no.
    if (error instanceof Error && 'errno' in error && error.errno === ER_WRONG_ARGUMENTS) {
      throw new Error(why.replace(/^rwsplit: /, ''), { cause: error });
    }
    throw new Error(`the proxy at ${at} cannot be asked: ${why}`, { cause: error });
  }
}

/** Rows as text: these columns, in this order. */
export function tableOf(columns: readonly string[], rows: readonly RowDataPacket[]): string {
  return formatTable(
    columns,
    rows.map((row) => columns.map((name) => (typeof row[name] === 'number' ? row[name] : String(row[name])))),
  );
}
