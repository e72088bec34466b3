/** `Protocol::AuthMoreData`: 0x01 and what the plugin has to say. */
export function encodeAuthMoreData(data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0x01]), data]);
}
