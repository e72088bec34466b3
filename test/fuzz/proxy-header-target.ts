import { readProxyHeader } from '../../proxy/listen/proxy-header.js';
import { textOf, type FuzzTarget } from './target.js';

const V2 = '0d0a0d0a000d0a515549540a';

/** What stands before a client's first byte: what is decided once stays so, whatever follows. */
export const PROXY_HEADER: FuzzTarget = {
  samples: [
    Buffer.from('PROXY TCP4 192.0.2.77 198.51.100.1 4711 3306\r\nrest'),
    Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 4711 3306\r\nrest'),
    Buffer.from('PROXY UNKNOWN\r\nrest'),
    Buffer.from(`${V2}2111000cc000024dc633640112670cea2000000185a60f00`, 'hex'),
    Buffer.from(`${V2}21210024${'20'.repeat(32)}12670cea2000000185a60f00`, 'hex'),
    Buffer.from(`${V2}20000000`, 'hex'),
  ],
  run(bytes) {
    let decided: string | undefined;
    for (let end = 0; end <= bytes.length; end++) {
      const header = readProxyHeader(bytes.subarray(0, end));
      if (header.kind === 'header' && header.bytes > end) return 'the header is longer than what came';
      if (header.kind === 'more') {
        if (decided !== undefined) return `it was ${decided}, and needs more at ${end}`;
        continue;
      }
      const text = textOf(header);
      if (decided !== undefined && decided !== text) return `it was ${decided}, and is ${text} at ${end}`;
      decided = text;
    }
    return undefined;
  },
};
