import type { Classification } from '../src/classify/classification.js';
import type { DigestEntry } from '../src/classify/digest-table.js';
import type { Message } from '../src/protocol/framing.js';
import type { ResponseShape } from '../src/protocol/response-place.js';
import type { Route } from '../src/routing/route.js';
import { countsRows } from '../src/session/found-rows.js';
import type { BinlogSource } from './binlog-source.js';
import type { ClientStatement } from './client-statement.js';

/** As what a connection is used. */
export type Role = 'primary' | 'replica';

/** A client's command on its way through a server. */
export interface CommandRun {
  readonly message: Message;
  /** Where in the message's body a COM_QUERY's text begins. */
  readonly textStart?: number | undefined;
  /** `none` for what has no answer. */
  readonly shape: ResponseShape | 'none';
  readonly classification: Classification;
  readonly route: Route;
  /** Where a statement that is to run is counted. */
  readonly digest: DigestEntry | undefined;
  /** What its answer or its text has to do with a prepared statement. */
  readonly statement:
    | { readonly kind: 'none' }
    /** COM_STMT_PREPARE: the answer gives it its id. */
    | { readonly kind: 'prepare'; readonly statement: ClientStatement }
    /** COM_STMT_EXECUTE. */
    | { readonly kind: 'execute'; readonly statement: ClientStatement }
    /** Another command that begins with the statement's id. */
    | { readonly kind: 'use'; readonly statement: ClientStatement };
  /** Called when the command has had its answer. */
  readonly onEnd: (() => void) | undefined;
  /** The node of a binary log that is not read on the primary. */
  readonly source?: BinlogSource | undefined;
  /** COM_RESET_CONNECTION: the session begins anew when it went through. */
  readonly resets: boolean;
}

/** The text of a statement that runs. */
export function textOf({ message, textStart, statement }: CommandRun): Buffer | undefined {
  if (statement.kind === 'execute') return statement.statement.sql;
  return textStart === undefined ? undefined : message.body.subarray(textStart);
}

/** Whether the rows that it gave are what FOUND_ROWS() counts from then on. */
export function givesCountedRows({ message, textStart, statement }: CommandRun): boolean {
  if (statement.kind === 'execute') return countsRows(statement.statement.sql, 0);
  return textStart !== undefined && countsRows(message.body, textStart);
}

/** A replica refuses what writes. On the primary nothing but the class is to be relied on, and a hint may be mistaken. */
export function onlyReads({ classification }: CommandRun, role: Role): boolean {
  return role === 'replica' || classification.reason === 'read';
}

/** Opens a read-only transaction on a replica where that goes through. */
export function opensReplicaTransaction({ route }: CommandRun): boolean {
  return route.to === 'replica' && route.reason === 'read-only-transaction';
}

export const NO_STATEMENT = { kind: 'none' } as const;
