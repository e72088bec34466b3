import type { ClassReason, PinReason, Target } from './classification.js';

/** What people are told about a target. */
export const TARGET_TEXT: Readonly<Record<Target, string>> = {
  primary: 'the primary',
  replica: 'a replica',
  last: "the connection that ran the session's previous statement",
};

/** What people are told about a reason. */
export const REASON_TEXT: Readonly<Record<ClassReason | 'consistency', string>> = {
  read: 'a plain read: any replica answers it as the primary would',
  'hint-replica': 'a hint asks for a replica',
  diagnostics: 'it asks about the statement before it',
  'last-insert-id': 'it asks for, or sets, the last insert id of its connection',
  'row-count': 'it asks how many rows the statement before it changed',
  'found-rows': 'it asks, or lets ask, how many rows there were without LIMIT',
  write: 'it writes',
  ddl: 'it changes the schema',
  'locking-read': 'it locks the rows that it reads',
  'select-into': 'it puts its result into a variable or a file',
  'transaction-control': 'it begins, ends or shapes a transaction, or locks tables',
  'read-only-transaction': 'it begins a transaction that only reads',
  'session-state': 'what it changes lives on a connection',
  'user-variable': 'it reads or assigns a user variable',
  'lock-function': 'it calls a function of named locks',
  'connection-id': 'it asks for the id of its connection',
  'stored-function': "it calls a function that is not the server's own, which may write",
  'side-effect-function': 'it calls a function that does more than read',
  'procedure-call': 'it calls a procedure, which may write',
  'text-prepared-statement': 'it prepares, runs or drops a statement by its name',
  'multi-statement': 'it is more than one statement',
  'server-specific': 'each server has its own answer',
  administration: 'it administers the server or its accounts',
  'explain-of-write': 'it explains a write',
  'explain-analyze': 'it runs and explains a write',
  'temporary-table': 'it is about a temporary table',
  'hint-primary': 'a hint asks for the primary',
  'hint-node': 'a hint asks for one node',
  consistency: 'it has to be as fresh as the primary',
  rule: 'a rule of the configuration says so',
  'unknown-statement': 'its first word is not known',
  unparsable: 'it ends inside a quote or comment, or has bytes that no statement has',
};

/** What people are told that a statement leaves on its connection. */
export const PIN_TEXT: Readonly<Record<PinReason, string>> = {
  'temporary-table': 'a temporary table',
  'table-lock': 'locks on tables',
  'instance-lock': 'a lock on the instance',
  'named-lock': 'a named lock',
  'service-lock': 'a service lock',
  'user-variable': "a user variable's value",
  'text-prepared-statement': 'a statement prepared under a name',
  handler: 'an open handler',
  xa: 'an XA transaction',
  'found-rows': 'the number of rows without LIMIT',
  'connection-id': 'the id of the connection, which the client knows now',
  'stored-function': 'whatever the function left behind',
  'next-transaction': "the next transaction's characteristics",
  'one-shot-variable': 'a variable that cannot be carried to another connection',
  role: 'the active role',
  'resource-group': 'the resource group',
  'unknown-statement': 'whatever an unknown statement left behind',
};
