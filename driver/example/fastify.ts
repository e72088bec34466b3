import fastify, { type FastifyInstance } from 'fastify';
import type { ResultSetHeader, RowDataPacket } from 'mysql2';
import type { PromiseSplitPool } from '../promise.js';

const COOKIE = /(?:^|;\s*)seen=([^;]+)/;

interface Item {
  readonly name: string;
}

/**
 * A web application on a pool that splits. Each request is a scope: it sees what it wrote, over whichever connections, and what the
 * requests of the same browser wrote before it, wherever those were served. Nothing in its routes says so.
 */
export function shop(pool: PromiseSplitPool): FastifyInstance {
  const app = fastify();
  app.addHook('onRequest', (request, _reply, done) => {
    const [, token] = COOKIE.exec(request.headers.cookie ?? '') ?? [];
    pool.withToken(token === undefined ? undefined : decodeURIComponent(token), done);
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('set-cookie', `seen=${encodeURIComponent(await pool.token())}; HttpOnly; SameSite=Lax; Max-Age=60`);
  });
  app.get('/items', async () => {
    const [items] = await pool.query<RowDataPacket[]>('SELECT id, name FROM item ORDER BY id');
    return items;
  });
  app.post<{ Body: Item }>('/items', async ({ body }) => {
    const [{ insertId }] = await pool.execute<ResultSetHeader>('INSERT INTO item (name) VALUES (?)', [body.name]);
    const [items] = await pool.query<RowDataPacket[]>('SELECT id, name FROM item WHERE id = ?', [insertId]);
    return items[0];
  });
  return app;
}
