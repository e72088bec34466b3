import * as zlib from 'node:zlib';
import type { Codec, CompressionAlgorithm } from '../protocol/compression/codec.js';

/** What MySQL's servers and clients take where nobody chose another. */
const ZLIB_LEVEL = 6;
const ZSTD_LEVEL = 3;

const ZLIB: Codec = {
  compress: (bytes) => zlib.deflateSync(bytes, { level: ZLIB_LEVEL }),
  compressLater: (bytes, done) => {
    zlib.deflate(bytes, { level: ZLIB_LEVEL }, (error, compressed) => done(unfailing(error, compressed)));
  },
  decompress: (bytes, maxBytes) => zlib.inflateSync(bytes, { maxOutputLength: maxBytes }),
};

/** The part of `node:zlib` that Node has since 22.15, and its types not yet here. */
interface Zstd {
  zstdCompressSync(bytes: Buffer, options: object): Buffer;
  zstdCompress(bytes: Buffer, options: object, done: (error: Error | null, compressed: Buffer) => void): void;
  zstdDecompressSync(bytes: Buffer, options: object): Buffer;
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
}

function hasZstd(module: object): module is Zstd {
  return 'zstdCompressSync' in module && 'zstdDecompressSync' in module;
}

/** The algorithms that this Node.js can do, and so the ones that can be offered: zstd since 22.15. */
export const COMPRESSION_ALGORITHMS: readonly CompressionAlgorithm[] = hasZstd(zlib) ? ['zlib', 'zstd'] : ['zlib'];

/** @param zstdLevel from 1 to 22: what the client chose for both sides; undefined for MySQL's default */
export function codecOf(algorithm: CompressionAlgorithm, zstdLevel = ZSTD_LEVEL): Codec {
  return algorithm === 'zstd' ? zstdCodec(zstdLevel) : ZLIB;
}

function zstdCodec(level: number): Codec {
  const module: object = zlib;
  if (!hasZstd(module)) throw new Error(`Node.js ${process.versions.node} has no zstd`);
  const options = { params: { [module.constants.ZSTD_c_compressionLevel]: level } };
  return {
    compress: (bytes) => module.zstdCompressSync(bytes, options),
    compressLater: (bytes, done) => {
      module.zstdCompress(bytes, options, (error, compressed) => done(unfailing(error, compressed)));
    },
    decompress: (bytes, maxBytes) => module.zstdDecompressSync(bytes, { maxOutputLength: maxBytes }),
  };
}

/** Compressing bytes that are there fails only where memory has run out. */
function unfailing(error: Error | null, compressed: Buffer): Buffer {
  if (error !== null) throw error;
  return compressed;
}
