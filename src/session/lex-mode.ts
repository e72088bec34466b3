import type { LexMode } from '../classify/classification.js';
import { isMariadb } from '../flavour/flavour-of.js';
import type { SessionState } from './session-state.js';

const MULTI_BYTE: ReadonlySet<string> = new Set(['gbk', 'sjis', 'cp932', 'big5', 'gb18030']);

function isMultiByte(charset: string | undefined): charset is Exclude<LexMode['charset'], 'other'> {
  return charset !== undefined && MULTI_BYTE.has(charset);
}

/**
 * @param baseline what a fresh connection of this session has
 * @param serverVersion as a server's greeting has it: `9.7.4-2`, `5.5.5-10.11.19-MariaDB`
 */
export function lexModeOf(state: SessionState, baseline: ReadonlyMap<string, string>, serverVersion: string): LexMode {
  const valueOf = (name: string): string | undefined => state.variables.get(name) ?? baseline.get(name);
  const sqlMode = (valueOf('sql_mode') ?? '').split(',');
  const charset = valueOf('character_set_client');
  return {
    ansiQuotes: sqlMode.includes('ANSI_QUOTES'),
    ignoreSpace: sqlMode.includes('IGNORE_SPACE'),
    noBackslashEscapes: sqlMode.includes('NO_BACKSLASH_ESCAPES'),
    charset: isMultiByte(charset) ? charset : 'other',
    serverVersion: versionNumber(serverVersion),
    mariadb: isMariadb(serverVersion),
  };
}

/** MariaDB takes statements for Oracle's. MySQL knows no such mode. */
export function isOracleMode(state: SessionState, baseline: ReadonlyMap<string, string>): boolean {
  return (state.variables.get('sql_mode') ?? baseline.get('sql_mode') ?? '').split(',').includes('ORACLE');
}

/** @returns 90704 for 9.7.4, 101119 for MariaDB 10.11.19 */
export function versionNumber(serverVersion: string): number {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(serverVersion.replace(/^5\.5\.5-/, ''));
  if (match === null) return 80000;
  const [, major, minor, patch] = match;
  return Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
}
