import { describe, expect, test } from 'vitest';
import { readProxyHeader } from '../../../proxy/listen/proxy-header.js';

const V2 = '0d0a0d0a000d0a515549540a';
const TCP4 = Buffer.from(`${V2}2111000cc000024dc633640112670cea`, 'hex');
const TCP6 = Buffer.from(`${V2}2121002420010db8${'00'.repeat(11)}0720010db8${'00'.repeat(11)}0112670cea`, 'hex');
const LOCAL = Buffer.from(`${V2}20000000`, 'hex');
const WITH_TLVS = Buffer.from(`${V2}21110013c000024dc633640112670cea030004aabbccdd`, 'hex');
const UNIX = Buffer.concat([Buffer.from(`${V2}213100d8`, 'hex'), Buffer.alloc(216)]);

const SOURCES: readonly (readonly [string, Buffer, { address: string; port: number } | undefined])[] = [
  [
    'version 1, IPv4',
    Buffer.from('PROXY TCP4 192.0.2.77 198.51.100.1 4711 3306\r\n'),
    { address: '192.0.2.77', port: 4711 },
  ],
  [
    'version 1, IPv6',
    Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 4711 3306\r\n'),
    { address: '2001:db8::7', port: 4711 },
  ],
  ['version 1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['version 1, unknown with more', Buffer.from('PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n'), undefined],
  ['version 2, IPv4', TCP4, { address: '192.0.2.77', port: 4711 }],
  ['version 2, IPv6', TCP6, { address: '2001:db8::7', port: 4711 }],
  ['version 2, with extensions', WITH_TLVS, { address: '192.0.2.77', port: 4711 }],
  ['version 2, of the sender itself', LOCAL, undefined],
  ['version 2, Unix socket', UNIX, undefined],
];

describe.each(SOURCES)('a header of %s', (_name, header, source) => {
  test('tells where the client is, and where its own bytes begin', () => {
    const followed = Buffer.concat([header, Buffer.from('client bytes')]);
    expect(readProxyHeader(followed)).toEqual({ kind: 'header', source, bytes: header.length });
  });

  test('needs more wherever it is cut', () => {
    for (let end = 0; end < header.length; end++) {
      expect(readProxyHeader(header.subarray(0, end)).kind, `cut at ${end}`).toBe('more');
    }
  });
});

test.each([
  ['an address of the other family', 'PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n'],
  ['no address', 'PROXY TCP4 one two 1 2\r\n'],
  ['a port that is none', 'PROXY TCP4 192.0.2.1 192.0.2.2 70000 2\r\n'],
  ['another protocol', 'PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n'],
  ['no end', `PROXY TCP4 ${'1'.repeat(120)}`],
])('version 1 with %s is malformed', (_name, text) => {
  expect(readProxyHeader(Buffer.from(text)).kind).toBe('malformed');
});

test.each([
  ['an unknown command', `${V2}22110000`],
  ['an unknown version', `${V2}11110000`],
  ['addresses that are cut short', `${V2}21110004c000024d`],
])('version 2 with %s is malformed', (_name, hex) => {
  expect(readProxyHeader(Buffer.from(hex, 'hex')).kind).toBe('malformed');
});

test.each([
  ['a login', '2000000185a60f0000000001'],
  ['an empty packet', '00000001'],
  ['an HTTP request', Buffer.from('POST / HTTP/1.1').toString('hex')],
])('%s is no header', (_name, hex) => {
  expect(readProxyHeader(Buffer.from(hex, 'hex')).kind).toBe('none');
});
