import type { Classification } from '../../src/classify/classification.js';
import { digestOf } from '../../src/classify/digest.js';
import { ServerStatus } from '../../src/protocol/server-status.js';
import type { SessionChange } from '../../src/protocol/session-changes.js';
import type { Session } from '../../src/session/session.js';

/** What a server would tell of a statement that succeeds, as far as its text says it. */
export interface TextEffects {
  /** Server status flags. */
  readonly status: number;
  readonly changes: readonly SessionChange[];
}

const { AUTOCOMMIT, IN_TRANS } = ServerStatus;
/** What is set stands at the beginning. */
const MAX_READ_BYTES = 4096;

export function textEffects(sql: Buffer, { reason }: Classification, session: Session): TextEffects {
  const { status } = session;
  const ended = status & ~IN_TRANS;
  // Literals are gone from this text, so that no word in one is taken for a statement's.
  const text = (): string => digestOf(sql, 0, sql.length, session.lexMode).text;
  switch (reason) {
    case 'read-only-transaction':
      return { status: status | IN_TRANS, changes: [] };
    case 'ddl':
    case 'administration':
      return { status: ended, changes: [] };
    case 'transaction-control':
    case 'session-state':
      return afterSetting(text(), sql.toString('latin1', 0, MAX_READ_BYTES), status);
    default:
      return { status: (status & AUTOCOMMIT) === 0 ? status | IN_TRANS : status, changes: [] };
  }
}

/** @param text has what is set @param raw has the values, too */
function afterSetting(text: string, raw: string, status: number): TextEffects {
  if (/^set (?!global\b)/.test(text)) return afterSet(text, raw, status);
  const schema = /^use (?:`(.*)`|(\S+))$/.exec(text);
  if (schema === null) return { status: afterControl(text, status), changes: [] };
  return { status, changes: [{ kind: 'schema', name: schema[1] ?? schema[2] ?? '' }] };
}

function afterControl(text: string, status: number): number {
  if (/^(?:begin|start transaction)\b/.test(text)) return status | IN_TRANS;
  if (/^lock tables?\b/.test(text)) return status & ~IN_TRANS;
  if (!/^(?:commit|rollback)\b/.test(text) || /^rollback (?:work )?to\b/.test(text)) return status;
  return /\band chain\b/.test(text) ? status | IN_TRANS : status & ~IN_TRANS;
}

function afterSet(text: string, raw: string, status: number): TextEffects {
  const changes: SessionChange[] = [];
  const set = (name: string): string | undefined =>
    new RegExp(`\\b${name}\\b`).test(text)
      ? new RegExp(`\\b${name}\`?\\s*:?=\\s*['"]?([^'";\\s]+)`, 'i').exec(raw)?.[1]
      : undefined;
  const sqlMode = set('sql_mode');
  if (sqlMode !== undefined) changes.push({ kind: 'system-variable', name: 'sql_mode', value: sqlMode.toUpperCase() });
  const charset = /^set (?:names|character set|charset)\b/.test(text)
    ? /\b(?:names|set|charset)\s+['"]?(\w+)/i.exec(raw.replace(/^\s*set\s/i, ''))?.[1]
    : set('character_set_client');
  if (charset !== undefined) {
    changes.push({ kind: 'system-variable', name: 'character_set_client', value: charset.toLowerCase() });
  }
  const level =
    /^set session transaction\b.*\bisolation level (\w+(?: \w+)?)/.exec(text)?.[1] ?? set('transaction_isolation');
  if (level !== undefined) {
    const value = level.toUpperCase().replace(' ', '-');
    changes.push({ kind: 'system-variable', name: 'transaction_isolation', value });
  }
  const access = /^set session transaction\b.*\bread (only|write)\b/.exec(text)?.[1] ?? set('transaction_read_only');
  if (access !== undefined) {
    const value = /^(?:only|1|on|true)$/i.test(access) ? 'ON' : 'OFF';
    changes.push({ kind: 'system-variable', name: 'transaction_read_only', value });
  }
  const autocommit = set('autocommit');
  if (autocommit === undefined) return { status, changes };
  // Turning it on commits; turning it off begins nothing yet.
  return {
    status: /^(?:0|off|false)\b/i.test(autocommit) ? status & ~AUTOCOMMIT : (status | AUTOCOMMIT) & ~IN_TRANS,
    changes,
  };
}
