import { isIP } from 'node:net';

/** What stands before a client's first byte where something between the two speaks the PROXY protocol. */
export type ProxyHeader =
  /** Nothing: the bytes are the client's own. */
  | { readonly kind: 'none' }
  | { readonly kind: 'more' }
  | { readonly kind: 'malformed' }
  /** @property source whose connection it is; undefined where the sender speaks for itself, or does not say */
  | { readonly kind: 'header'; readonly source: ClientEnd | undefined; readonly bytes: number };

export interface ClientEnd {
  readonly address: string;
  readonly port: number;
}

const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
const V1_MAX_BYTES = 107;
const V1_LINE = /^PROXY (?:UNKNOWN(?: .*)?|(TCP4|TCP6) (\S+) (\S+) (\d{1,5}) (\d{1,5}))$/;

const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_HEAD_BYTES = 16;
const V2_COMMAND = { local: 0x20, proxy: 0x21 } as const;
const V2_TCP4 = 0x11;
const V2_TCP6 = 0x21;

/**
 * Reads a PROXY protocol header, version 1 or 2. Neither can be taken for the beginning of a MySQL packet.
 * Source: the PROXY protocol's specification, https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, V1_SIGNATURE)) return bytes.length < V1_SIGNATURE.length ? { kind: 'more' } : readV1(bytes);
  if (startsLike(bytes, V2_SIGNATURE)) return bytes.length < V2_HEAD_BYTES ? { kind: 'more' } : readV2(bytes);
  return { kind: 'none' };
}

/** Whether the bytes, as far as they go, are the signature. */
function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_MAX_BYTES).indexOf('\r\n');
  if (end < 0) return { kind: bytes.length < V1_MAX_BYTES ? 'more' : 'malformed' };
  const line = V1_LINE.exec(bytes.toString('latin1', 0, end));
  if (line === null) return { kind: 'malformed' };
  const [, family, address, , port] = line;
  if (family === undefined || address === undefined) return { kind: 'header', source: undefined, bytes: end + 2 };
  if (isIP(address) !== (family === 'TCP4' ? 4 : 6) || Number(port) > 65_535) return { kind: 'malformed' };
  return { kind: 'header', source: { address, port: Number(port) }, bytes: end + 2 };
}

function readV2(bytes: Buffer): ProxyHeader {
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const end = V2_HEAD_BYTES + bytes.readUInt16BE(14);
  if (command !== V2_COMMAND.local && command !== V2_COMMAND.proxy) return { kind: 'malformed' };
  if (bytes.length < end) return { kind: 'more' };
  const addresses = bytes.subarray(V2_HEAD_BYTES, end);
  if (command === V2_COMMAND.local) return { kind: 'header', source: undefined, bytes: end };
  switch (family) {
    case V2_TCP4:
      if (addresses.length < 12) return { kind: 'malformed' };
      return {
        kind: 'header',
        source: { address: addresses.subarray(0, 4).join('.'), port: addresses.readUInt16BE(8) },
        bytes: end,
      };
    case V2_TCP6:
      if (addresses.length < 36) return { kind: 'malformed' };
      return {
        kind: 'header',
        source: { address: ipv6(addresses.subarray(0, 16)), port: addresses.readUInt16BE(32) },
        bytes: end,
      };
    default:
      // Unix sockets, UDP, and what is to come: who it is for cannot be said.
      return { kind: 'header', source: undefined, bytes: end };
  }
}

function ipv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  // As the URL standard shortens it.
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
