import { ByteWriter } from '../byte-writer.js';

/** `ProtocolText::ResultsetRow`. */
export function encodeTextRow(values: readonly (string | number)[]): Buffer {
  const writer = new ByteWriter();
  for (const value of values) writer.lenencString(String(value));
  return writer.payload();
}
