import { expect, test } from 'vitest';
import { bothWays, runScript } from './both-ways.js';
import { programPath } from './programs.js';

test("PHP's mysqli does the same directly and through the proxy", async () => {
  const { transcript, replicaReads } = await bothWays('clients_php', async (server) =>
    runScript([programPath('php'), '-d', 'mysqli.allow_local_infile=On'], 'mysqli.php', server),
  );
  expect(transcript).toContain('killed: true');
  expect(transcript).toContain('exit code 0');
  expect(replicaReads).toBeGreaterThan(0);
});

test.each([
  ['native prepares and buffered results', '0', '1'],
  ['native prepares and unbuffered results', '0', '0'],
  ['emulated prepares and buffered results', '1', '1'],
  ['emulated prepares and unbuffered results', '1', '0'],
])("PHP's PDO with %s does the same directly and through the proxy", async (_, emulate, buffered) => {
  const { transcript, replicaReads } = await bothWays('clients_pdo', async (server) =>
    runScript([programPath('php')], 'pdo.php', server, [emulate, buffered]),
  );
  expect(transcript).toContain('kept: 1325');
  expect(transcript).toContain('exit code 0');
  expect(replicaReads).toBeGreaterThan(0);
});
