import { describe, expect, it } from 'vitest';
import { serialNumberOf } from '../../../proxy/tls/self-made-certificates.js';

describe('the serial number of a certificate that the proxy makes', () => {
  it('is a positive integer of the fewest bytes, whatever the random bytes begin with', () => {
    for (const start of [0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xff]) {
      for (const second of [0x00, 0x7f, 0x80, 0xff]) {
        const serial = serialNumberOf(Buffer.from([start, second, 0x12, 0x34]));
        expect(serial).toHaveLength(8);
        const first = Number.parseInt(serial.slice(0, 2), 16);
        expect(first, `${start}, ${second}`).toBeGreaterThan(0);
        expect(first, `${start}, ${second}`).toBeLessThan(0x80);
      }
    }
  });
});
