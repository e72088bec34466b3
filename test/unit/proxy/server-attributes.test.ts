import { describe, expect, test } from 'vitest';
import { encodeAttributes, handedOn } from '../../../proxy/server-attributes.js';
import { encodeConnectionAttributes } from '../../../src/protocol/packets/handshake-response.js';

const OF_CLIENT = { _client_name: 'libmysql', _pid: '4711', program_name: 'shop', team: 'billing' };

describe("a client's connection attributes", () => {
  test('are handed on as far as all processes of its program have them', () => {
    const attributes = encodeConnectionAttributes(OF_CLIENT);
    expect(handedOn(attributes, 'program', '192.0.2.1')).toEqual({
      _client_name: 'libmysql',
      program_name: 'shop',
      team: 'billing',
    });
  });

  test('are handed on in whole, with its address, where each client has connections of its own', () => {
    const attributes = encodeConnectionAttributes(OF_CLIENT);
    expect(handedOn(attributes, 'client', '192.0.2.1')).toEqual({ ...OF_CLIENT, rwsplit_client_address: '192.0.2.1' });
  });

  test('are not handed on where they are unwanted, unreadable, or too long', () => {
    const attributes = encodeConnectionAttributes(OF_CLIENT);
    expect(handedOn(attributes, 'none', '')).toEqual({});
    expect(handedOn(attributes.subarray(0, -1), 'program', '')).toEqual({});
    expect(handedOn(encodeConnectionAttributes({ long: 'x'.repeat(5_000) }), 'program', '')).toEqual({});
  });

  test("cannot pretend to be the proxy's own", () => {
    const attributes = encodeConnectionAttributes({ rwsplit_version: 'forged', program_name: 'shop' });
    const encoded = encodeAttributes(handedOn(attributes, 'client', ''), {
      rwsplit_version: '1',
      program_name: 'rwsplit',
    });
    expect(encoded.toString()).not.toContain('forged');
    expect(encoded.toString()).toContain('shop');
  });
});
