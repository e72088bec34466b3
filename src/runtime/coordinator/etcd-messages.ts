/*
 * etcd's messages as its JSON gateway has them: keys and values in base64, 64-bit numbers as strings, and what is 0, false or empty left out.
 * https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/
 */

export interface EtcdKeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** A 64-bit number; '0' where there is none. */
  readonly lease: string;
}

/** What a transaction, a range or a watch tells of the keys. */
export interface EtcdKeys {
  /** As of which revision. */
  readonly revision: number;
  /** Of etcd's own leader. */
  readonly raftTerm: number;
  readonly keys: readonly EtcdKeyValue[];
}

export interface EtcdEvent {
  readonly kind: 'put' | 'delete';
  readonly keyValue: EtcdKeyValue;
}

type Field = Readonly<Record<string, unknown>>;

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** All keys that begin with `prefix`, which ends with a sign below the last one. */
export function rangeOf(prefix: string): { readonly key: string; readonly range_end: string } {
  const end = Buffer.from(prefix);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key: base64(prefix), range_end: end.toString('base64') };
}

export function fieldOf(message: unknown, name: string): unknown {
  return isObject(message) ? message[name] : undefined;
}

export function textOf(message: unknown, name: string): string {
  const value = fieldOf(message, name);
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export function numberOf(message: unknown, name: string): number {
  const value = Number(textOf(message, name));
  return Number.isSafeInteger(value) ? value : 0;
}

export function listOf(message: unknown, name: string): readonly unknown[] {
  const value = fieldOf(message, name);
  return Array.isArray(value) ? value : [];
}

/** @param message with a header, of a range or of a watch */
export function revisionOf(message: unknown): number {
  return numberOf(fieldOf(message, 'header'), 'revision');
}

export function raftTermOf(message: unknown): number {
  return numberOf(fieldOf(message, 'header'), 'raft_term');
}

export function keysOf(range: unknown): EtcdKeyValue[] {
  return listOf(range, 'kvs').map(keyValueOf);
}

export function eventOf(event: unknown): EtcdEvent {
  const kind = fieldOf(event, 'type') === 'DELETE' ? 'delete' : 'put';
  return { kind, keyValue: keyValueOf(fieldOf(event, 'kv')) };
}

function keyValueOf(message: unknown): EtcdKeyValue {
  return {
    key: plain(textOf(message, 'key')),
    value: plain(textOf(message, 'value')),
    createRevision: numberOf(message, 'create_revision'),
    modRevision: numberOf(message, 'mod_revision'),
    lease: textOf(message, 'lease') || '0',
  };
}

function plain(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

function isObject(value: unknown): value is Field {
  return typeof value === 'object' && value !== null;
}
