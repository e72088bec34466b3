/** Both sides may compress what they send. Source: MySQL's `protocol_compression_algorithms`. */
export type CompressionAlgorithm = 'zlib' | 'zstd';

/** One algorithm, at one level. */
export interface Codec {
  compress(bytes: Buffer): Buffer;
  /** Off the event loop, for what would hold it up. */
  compressLater(bytes: Buffer, done: (compressed: Buffer) => void): void;
  /** @throws Error where the bytes are not of the algorithm, or are more than `maxBytes` when unpacked */
  decompress(bytes: Buffer, maxBytes: number): Buffer;
}
