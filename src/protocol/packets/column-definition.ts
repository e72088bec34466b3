import { ByteWriter } from '../byte-writer.js';

/** `Protocol::ColumnDefinition41` of a column that is in no table. */
export interface ColumnDefinition {
  readonly name: string;
  /** Texts are in UTF-8, whatever the client asked for; integers are 64 bits wide. */
  readonly type: 'text' | 'integer';
}

/** utf8mb4_general_ci: servers of all ages, and their clients, know it. */
const UTF8MB4 = 45;
const BINARY = 63;
const TYPES = {
  text: { type: 0xfd /* VAR_STRING */, collation: UTF8MB4, maxBytes: 4 * 1024, flags: 0x0001 /* NOT_NULL */ },
  integer: { type: 0x08 /* LONGLONG */, collation: BINARY, maxBytes: 20, flags: 0x0001 | 0x0080 /* BINARY */ },
} as const;
const FIXED_FIELDS_BYTES = 0x0c;

export function encodeColumnDefinition({ name, type: kind }: ColumnDefinition): Buffer {
  const { type, collation, maxBytes, flags } = TYPES[kind];
  return new ByteWriter()
    .lenencString('def')
    .lenencString('') // schema
    .lenencString('') // table
    .lenencString('') // table, as the schema calls it
    .lenencString(name)
    .lenencString('') // column, as the table calls it
    .lenencInt(FIXED_FIELDS_BYTES)
    .int2(collation)
    .int4(maxBytes)
    .int1(type)
    .int2(flags)
    .int1(0) // decimals
    .zeros(2)
    .payload();
}
