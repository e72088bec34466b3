import { expect, test } from 'vitest';
import { untilReplicated } from '../cluster.js';
import { bothWays, runScript } from './both-ways.js';

test('mysql2 does the same directly and through the proxy', async () => {
  const { transcript, replicaReads } = await bothWays('clients_mysql2', async (server) => {
    const session = await runScript([process.execPath], 'mysql2.mjs', server);
    // What one session has written, another one sees when the replicas have it.
    await untilReplicated();
    return session + (await runScript([process.execPath], 'mysql2-sessions.mjs', server));
  });
  expect(transcript).toContain('execute 20000000: [20000000,true,true]');
  expect(transcript.match(/exit code 0/g)).toHaveLength(2);
  expect(replicaReads).toBeGreaterThan(0);
});
