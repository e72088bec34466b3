import { beforeAll, describe, expect, test } from 'vitest';
import { clusterInfo, connectDirect, freshSchema } from '../cluster.js';
import { asRoot, eventually, ranOn, startProxy, value } from '../proxy.js';
import { onReplicas } from '../replicas.js';

const ACCOUNT = { user: 'with_roles', password: 'roles-1' };

beforeAll(async () => {
  await freshSchema('of_roles');
  await asRoot(
    'DROP SCHEMA IF EXISTS just_made',
    'DROP USER IF EXISTS with_roles',
    'DROP ROLE IF EXISTS reader, other, late',
    `CREATE USER with_roles IDENTIFIED BY '${ACCOUNT.password}'`,
    'CREATE ROLE reader, other, late',
    'GRANT SELECT ON of_roles.* TO reader',
    'GRANT reader, other TO with_roles',
    'GRANT EXECUTE ON of_roles.* TO with_roles',
    'CREATE PROCEDURE of_roles.becomes_reader() SQL SECURITY INVOKER SET ROLE reader',
    'CREATE TABLE of_roles.t (id INT PRIMARY KEY)',
    'INSERT INTO of_roles.t VALUES (1), (2)',
  );
});

describe('the roles of a session', () => {
  test('are with it on every replica, and with no other session', async () => {
    const proxy = await startProxy({ poolMax: 2 });
    const reader = await proxy.connect(ACCOUNT);
    const plain = await proxy.connect(ACCOUNT);
    await reader.query('SET ROLE reader');
    for (let turn = 0; turn < 10; turn++) {
      expect(await value(reader, 'SELECT COUNT(*) FROM of_roles.t')).toBe(2);
      expect(await value(reader, 'SELECT CURRENT_ROLE()')).toBe('`reader`@`%`');
      expect(await value(plain, 'SELECT CURRENT_ROLE()')).toBe('NONE');
      await expect(plain.query('SELECT COUNT(*) FROM of_roles.t')).rejects.toMatchObject({ errno: 1142 });
    }
    expect(await ranOn(reader, 'FROM of_roles.t LIMIT 1'), 'it goes on reading from replicas').not.toBe(1);
    await reader.query('SET ROLE other');
    await expect(reader.query('SELECT COUNT(*) FROM of_roles.t')).rejects.toMatchObject({ errno: 1142 });
    await reader.query('SET ROLE NONE');
    expect(await value(reader, 'SELECT CURRENT_ROLE()')).toBe('NONE');
  });

  test('are left by COM_RESET_CONNECTION as by a server, and end with COM_CHANGE_USER', async () => {
    const proxy = await startProxy({ poolMax: 1 });
    const client = await proxy.connect(ACCOUNT);
    await client.query('SET ROLE reader');
    await client.reset();
    expect(await value(client, 'SELECT CURRENT_ROLE()')).toBe('`reader`@`%`');
    const next = await proxy.connect(ACCOUNT);
    expect(await value(next, 'SELECT CURRENT_ROLE() FROM (SELECT IS_FREE_LOCK("none")) AS here')).toBe('NONE');
    await client.changeUser(ACCOUNT);
    expect(await value(client, 'SELECT CURRENT_ROLE()')).toBe('NONE');
  });

  const UNSEEN = [
    ['SET ROLE /* which is not to be read */ reader'],
    ["PREPARE p FROM 'SET ROLE reader'", 'EXECUTE p', 'DEALLOCATE PREPARE p'],
    ['CALL of_roles.becomes_reader()'],
  ];
  test.each(UNSEEN)('that nobody saw being set reach no other session, not even after a reset: %s', async (...sql) => {
    const proxy = await startProxy({ poolMax: 1 });
    const client = await proxy.connect(ACCOUNT);
    for (const statement of sql) await client.query(statement);
    expect(await value(client, 'SELECT CURRENT_ROLE() FROM (SELECT IS_FREE_LOCK("none")) AS here')).toContain('reader');
    await client.reset();
    await client.end();
    const next = await proxy.connect(ACCOUNT);
    expect(await value(next, 'SELECT CURRENT_ROLE() FROM (SELECT IS_FREE_LOCK("none")) AS here')).toBe('NONE');
  });
});

describe('what has not come to the replicas', () => {
  test('is no reason to refuse a read: of a role, of a schema', async () => {
    const proxy = await startProxy();
    const client = await proxy.connect(ACCOUNT);
    const inSchema = await proxy.connect();
    expect(await value(client, 'SELECT 1')).toBe(1);
    await onReplicas('STOP REPLICA SQL_THREAD');
    try {
      const root = await connectDirect(0, clusterInfo().accounts.root);
      await root.query('GRANT late TO with_roles');
      await root.query('CREATE SCHEMA just_made');
      await client.query('SET ROLE late');
      expect(await value(client, 'SELECT CURRENT_ROLE()')).toBe('`late`@`%`');
      await inSchema.query('USE just_made');
      expect(await value(inSchema, 'SELECT DATABASE()')).toBe('just_made');
    } finally {
      await onReplicas('START REPLICA SQL_THREAD');
    }
    await eventually(async () => expect(await ranOn(inSchema)).not.toBe(1));
  });
});
