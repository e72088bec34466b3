import { Capability, hasCapability } from '../../src/protocol/capabilities.js';
import { framePackets } from '../../src/protocol/framing.js';
import { encodeColumnDefinition, type ColumnDefinition } from '../../src/protocol/packets/column-definition.js';
import { encodeEof } from '../../src/protocol/packets/eof.js';
import { encodeOk } from '../../src/protocol/packets/ok.js';
import { encodeTextRow } from '../../src/protocol/packets/text-row.js';

export interface ResultSet {
  /** Fewer than 251. */
  readonly columns: readonly ColumnDefinition[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** `RESULTSET_METADATA_FULL` */
const DEFINITIONS_FOLLOW = 1;

const EMPTY = Buffer.alloc(0);

/**
 * The packets of a result set, from the count of its columns to the end of its rows.
 * @param capabilities of the client
 * @param status flags with which it ends
 * @param sequenceId of the first packet
 */
export function frameResultSet(
  { columns, rows }: ResultSet,
  capabilities: number,
  status: number,
  sequenceId: number,
): Buffer {
  const deprecatesEof = hasCapability(capabilities, Capability.DEPRECATE_EOF);
  const optional = hasCapability(capabilities, Capability.OPTIONAL_RESULTSET_METADATA);
  const count = optional ? Buffer.of(columns.length, DEFINITIONS_FOLLOW) : Buffer.of(columns.length);
  const payloads = [count, ...columns.map(encodeColumnDefinition)];
  if (!deprecatesEof) payloads.push(encodeEof(status));
  for (const row of rows) payloads.push(encodeTextRow(row));
  payloads.push(deprecatesEof ? endOfRows(capabilities, status) : encodeEof(status));
  // No packet of ours is longer than one can be, so each takes one sequence id.
  return Buffer.concat(payloads.map((payload, index) => framePackets(payload, (sequenceId + index) & 0xff)));
}

function endOfRows(capabilities: number, status: number): Buffer {
  const nothing = { affectedRows: 0n, lastInsertId: 0n, warnings: 0, info: EMPTY, sessionChanges: EMPTY };
  return encodeOk({ header: 0xfe, status, ...nothing }, capabilities);
}
