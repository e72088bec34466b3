import { ByteWriter } from '../byte-writer.js';

/** `EOF_Packet`: ends column definitions and rows for clients without DEPRECATE_EOF. */
export function encodeEof(status: number): Buffer {
  return new ByteWriter(5).int1(0xfe).int2(0).int2(status).payload();
}
