import { expect, test } from 'vitest';
import { bothWays, PLAIN, runScript, SECURED } from './both-ways.js';
import { programPath } from './programs.js';

test('PyMySQL does the same directly and through the proxy, with TLS and without', async () => {
  const { transcript, replicaReads } = await bothWays(
    'clients_python',
    async (server) => runScript([programPath('python')], 'application.py', server),
    [PLAIN, SECURED],
  );
  expect(transcript).toContain('20000000 20000000 True True');
  expect(transcript).toContain('killed True');
  expect(transcript).toContain('exit code 0');
  expect(replicaReads).toBeGreaterThan(0);
});
