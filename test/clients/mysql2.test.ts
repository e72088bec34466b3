import { beforeAll, expect, test } from 'vitest';
import { untilReplicated } from '../cluster.js';
import { asRoot } from '../proxy.js';
import { bothWays, COMPRESSED, PLAIN, runScript, SECURED } from './both-ways.js';

/** Whom a session is handed to: somebody who only reads. */
const READER = ['clients_reader', 'reads only'] as const;

beforeAll(async () => {
  const [user, password] = READER;
  await asRoot(
    `CREATE USER IF NOT EXISTS ${user}@\`%\` IDENTIFIED BY '${password}'`,
    `GRANT SELECT ON *.* TO ${user}@\`%\``,
  );
});

test('mysql2 does the same directly and through the proxy, with TLS, compressed, and neither', async () => {
  const { transcript, replicaReads } = await bothWays(
    'clients_mysql2',
    async (server) => {
      const session = await runScript([process.execPath], 'mysql2.mjs', server);
      // What one session has written, another one sees when the replicas have it.
      await untilReplicated();
      const sessions = await runScript([process.execPath], 'mysql2-sessions.mjs', server, READER);
      // It numbers packets in compressed ones otherwise than servers do, and complains of servers, too.
      return (session + sessions).replace(/^Warning: got packets out of order.*\n/gm, '');
    },
    [PLAIN, SECURED, COMPRESSED],
  );
  expect(transcript).toContain('execute 20000000: [20000000,true,true]');
  expect(transcript.match(/exit code 0/g)).toHaveLength(2);
  expect(replicaReads).toBeGreaterThan(0);
});
