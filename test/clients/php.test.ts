import { expect, test } from 'vitest';
import { bothWays, COMPRESSED, PLAIN, runScript, SECURED, SECURED_AND_COMPRESSED } from './both-ways.js';
import { programPath } from './programs.js';

test("PHP's mysqli does the same directly and through the proxy", async () => {
  const { transcript, replicaReads } = await bothWays(
    'clients_php',
    async (server) => runScript([programPath('php'), '-d', 'mysqli.allow_local_infile=On'], 'mysqli.php', server),
    [PLAIN, SECURED, COMPRESSED, SECURED_AND_COMPRESSED],
  );
  expect(transcript).toContain('killed: true');
  expect(transcript).toContain('exit code 0');
  expect(replicaReads).toBeGreaterThan(0);
});

test.each([
  ['native prepares and buffered results', '0', '1', SECURED],
  ['native prepares and unbuffered results', '0', '0', SECURED_AND_COMPRESSED],
  ['emulated prepares and buffered results', '1', '1', COMPRESSED],
  ['emulated prepares and unbuffered results', '1', '0', SECURED_AND_COMPRESSED],
] as const)("PHP's PDO with %s does the same directly and through the proxy", async (_, emulate, buffered, way) => {
  const { transcript, replicaReads } = await bothWays(
    'clients_pdo',
    async (server) => runScript([programPath('php')], 'pdo.php', server, [emulate, buffered]),
    [PLAIN, way],
  );
  expect(transcript).toContain('kept: 1325');
  expect(transcript).toContain('exit code 0');
  expect(replicaReads).toBeGreaterThan(0);
});
