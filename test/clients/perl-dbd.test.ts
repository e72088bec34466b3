import { describe, expect, test } from 'vitest';
import { bothWays, COMPRESSED, PLAIN, runScript } from './both-ways.js';
import { programPath } from './programs.js';

describe("Perl's DBD::mysql does the same directly and through the proxy", () => {
  test.each([
    ['its own placeholders', '0'],
    ["the server's prepared statements", '1'],
  ])('with %s', async (_, prepare) => {
    const { transcript, replicaReads } = await bothWays(
      'clients_perl',
      async (server) => runScript([programPath('perl')], 'dbd.pl', server, [prepare]),
      // Debian's knows no TLS.
      [PLAIN, COMPRESSED],
    );
    expect(transcript).toContain('exit code 0');
    expect(replicaReads).toBeGreaterThan(0);
  });
});
