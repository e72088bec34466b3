import { ServerStatus } from '../../src/protocol/server-status.js';
import { ByteWriter } from '../../src/protocol/byte-writer.js';
import { Capability, hasCapability } from '../../src/protocol/capabilities.js';
import { Command } from '../../src/protocol/commands.js';
import type { AnswerShape, RawClient, RawPacket } from '../raw-client.js';

/** A parameter of a prepared statement as it is sent: its type, and its value or NULL. */
export interface Param {
  readonly type: number;
  readonly value: Buffer | null;
}

/** One thing that a client does. A string is a COM_QUERY. */
export type Step =
  | string
  | { readonly does: 'prepare'; readonly name: string; readonly sql: string }
  | {
      readonly does: 'execute';
      readonly name: string;
      readonly params?: readonly Param[];
      /** Leaves out the types, as clients do that run a statement again. */
      readonly again?: boolean;
      readonly cursor?: boolean;
    }
  | { readonly does: 'long-data'; readonly name: string; readonly index: number; readonly data: string }
  | { readonly does: 'fetch'; readonly name: string; readonly rows: number }
  | { readonly does: 'close' | 'reset-statement'; readonly name: string }
  | { readonly does: 'use'; readonly schema: string }
  | { readonly does: 'fields'; readonly table: string }
  | { readonly does: 'set-option'; readonly option: number }
  /** Any command, as its bytes. */
  | { readonly does: 'command'; readonly payload: readonly number[] | string; readonly shape?: AnswerShape }
  | { readonly does: 'ping' | 'reset-connection' | 'debug' };

/** Some types of `enum_field_types`, with values as the binary protocol has them. */
export const param = {
  tiny: (value: number): Param => ({ type: 0x01, value: Buffer.from([value & 0xff]) }),
  long: (value: number): Param => ({ type: 0x03, value: int32(value) }),
  longlong: (value: bigint): Param => ({ type: 0x08, value: int64(value) }),
  double: (value: number): Param => ({ type: 0x05, value: double(value) }),
  string: (value: string): Param => ({ type: 0xfd, value: new ByteWriter().lenencString(value).payload() }),
  blob: (value: Buffer): Param => ({ type: 0xfc, value: new ByteWriter().lenencBytes(value).payload() }),
  /** Sent before by long data: it has no value of its own. */
  sent: (): Param => ({ type: 0xfc, value: Buffer.alloc(0) }),
  datetime: (year: number, month: number, day: number, hour = 0, minute = 0, second = 0): Param => ({
    type: 0x0c,
    value: new ByteWriter().int1(7).int2(year).int1(month).int1(day).int1(hour).int1(minute).int1(second).payload(),
  }),
  null: (): Param => ({ type: 0x06, value: null }),
};

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

export function labelOf(step: Step): string {
  return typeof step === 'string' ? step.slice(0, 200) : JSON.stringify(step).slice(0, 200);
}

/** Runs steps on one connection, and keeps the ids of its prepared statements. */
export class StepRunner {
  readonly #client: RawClient;
  readonly #statements = new Map<string, { id: number; params: number }>();

  constructor(client: RawClient) {
    this.#client = client;
  }

  /** @returns every packet that came, but for statement ids, which are anybody's choice */
  async run(step: Step): Promise<string[]> {
    const packets = await this.#answer(step);
    return packets.map(textOf);
  }

  async #answer(step: Step): Promise<readonly RawPacket[]> {
    const client = this.#client;
    if (typeof step === 'string') return client.query(step);
    switch (step.does) {
      case 'prepare': {
        const packets = await client.command(text(Command.STMT_PREPARE, step.sql), 'prepare');
        const head = packets[0]?.payload;
        if (head === undefined || head[0] !== 0x00) return packets;
        this.#statements.set(step.name, { id: head.readUInt32LE(1), params: head.readUInt16LE(7) });
        head.writeUInt32LE(0, 1);
        return packets;
      }
      case 'execute':
        return client.command(this.#execute(step), 'result');
      case 'long-data': {
        const head = new ByteWriter().int1(Command.STMT_SEND_LONG_DATA).int4(this.#id(step.name)).int2(step.index);
        return client.command(head.string(step.data).payload(), 'none');
      }
      case 'fetch':
        return client.command(
          new ByteWriter().int1(Command.STMT_FETCH).int4(this.#id(step.name)).int4(step.rows).payload(),
          'rows',
        );
      case 'close':
        return client.command(new ByteWriter().int1(Command.STMT_CLOSE).int4(this.#id(step.name)).payload(), 'none');
      case 'reset-statement':
        return client.command(new ByteWriter().int1(Command.STMT_RESET).int4(this.#id(step.name)).payload(), 'ok');
      case 'use':
        return client.command(text(Command.INIT_DB, step.schema), 'ok');
      case 'fields':
        return client.command(text(Command.FIELD_LIST, `${step.table}\0`), 'fields');
      case 'set-option':
        return client.command(new ByteWriter().int1(Command.SET_OPTION).int2(step.option).payload(), 'ok');
      case 'ping':
        return client.command(Buffer.from([Command.PING]), 'ok');
      case 'debug':
        return client.command(Buffer.from([Command.DEBUG]), 'ok');
      case 'reset-connection':
        this.#statements.clear();
        return client.command(Buffer.from([Command.RESET_CONNECTION]), 'ok');
      case 'command': {
        const { payload, shape } = step;
        const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
        return client.command(bytes, shape ?? 'ok');
      }
    }
  }

  #id(name: string): number {
    return this.#statements.get(name)?.id ?? 4_000_000;
  }

  #execute(step: Extract<Step, { does: 'execute' }>): Buffer {
    const params = step.params ?? [];
    const named = hasCapability(this.#client.capabilities, Capability.QUERY_ATTRIBUTES);
    const writer = new ByteWriter()
      .int1(Command.STMT_EXECUTE)
      .int4(this.#id(step.name))
      .int1((step.cursor === true ? 1 : 0) | (named ? 8 : 0))
      .int4(1);
    if (named) writer.lenencInt(params.length);
    if (params.length === 0) return writer.payload();
    const nulls = Buffer.alloc((params.length + 7) >> 3);
    for (const [i, { value }] of params.entries()) {
      if (value === null) nulls[i >> 3] = (nulls[i >> 3] ?? 0) | (1 << (i & 7));
    }
    writer.bytes(nulls).int1(step.again === true ? 0 : 1);
    if (step.again !== true) {
      for (const { type } of params) {
        writer.int2(type);
        if (named) writer.lenencString('');
      }
    }
    for (const { value } of params) if (value !== null) writer.bytes(value);
    return writer.payload();
  }
}

function text(command: number, body: string): Buffer {
  return new ByteWriter(1 + body.length).int1(command).string(body).payload();
}

/** Names the server's own id of a statement. */
const ER_STMT_HAS_NO_OPEN_CURSOR = 1421;

/** An OK of a statement without rows: counts of 0, flags with SESSION_STATE_CHANGED, warnings, no text and no changes. */
const EMPTY_CHANGES = /^(000000..)([46])0(....)0000$/;

/**
 * The end of rows without SERVER_STATUS_METADATA_CHANGED: a server connection that has prepared the same text before says that the
 * number of columns is another one than then, where a fresh one says nothing. Flags are at the same place in an EOF and in an OK of rows,
 * whose two counts are 0.
 */
function withoutMetadataChanged(payload: Buffer): Buffer {
  if (payload[0] !== 0xfe || payload.length < 5) return payload;
  const isOkOfRows = payload[1] === 0 && payload[2] === 0;
  if (payload.length > 9 && !isOkOfRows) return payload;
  const masked = Buffer.from(payload);
  masked.writeUInt8(masked.readUInt8(4) & ~(ServerStatus.METADATA_CHANGED >> 8), 4);
  return masked;
}

/** Readable where it is text, and the same only for the same bytes. */
export function textOf({ sequenceId, payload }: RawPacket): string {
  if (payload[0] === 0xff && payload.readUInt16LE(1) === ER_STMT_HAS_NO_OPEN_CURSOR) return `${sequenceId} ERR 1421`;
  // A server may say that something of the session changed and then list nothing: the same as not saying so.
  const said = EMPTY_CHANGES.exec(payload.toString('hex'));
  if (said !== null) {
    const flags = said[2] === '6' ? '20' : '00';
    return textOf({ sequenceId, payload: Buffer.from(`${said[1]}${flags}${said[3]}`, 'hex') });
  }
  const shown = withoutMetadataChanged(payload)
    .subarray(0, 4096)
    .toString('latin1')
    .replaceAll(/[^ -~]|\\/g, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `${sequenceId} (${payload.length}) ${shown}`;
}
