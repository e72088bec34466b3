import { expect, test } from 'vitest';
import { bothWays, runScript } from './both-ways.js';
import { programPath } from './programs.js';

test('PyMySQL does the same directly and through the proxy', async () => {
  const { transcript, replicaReads } = await bothWays('clients_python', async (server) =>
    runScript([programPath('python')], 'application.py', server),
  );
  expect(transcript).toContain('20000000 20000000 True True');
  expect(transcript).toContain('killed True');
  expect(transcript).toContain('exit code 0');
  expect(replicaReads).toBeGreaterThan(0);
});
