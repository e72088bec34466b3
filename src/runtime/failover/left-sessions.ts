import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { killConnection } from '../kill-connection.js';

const POLL_MS = 5;

/** Ids are given anew after a restart of the server: then they may be somebody else's. */
const STILL_THERE =
  'SELECT id FROM information_schema.processlist WHERE id IN (?) AND id <> CONNECTION_ID() ' +
  "AND user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)";

/**
 * Ends sessions of our own that were given up: what was said there may yet be carried out, after what is said next.
 * @param ids of their connections
 * @throws Error where one does not end in time
 */
export async function endLeftSessions(session: Connection, ids: ReadonlySet<number>, timeoutMs: number): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  const ended = new Set<number>();
  for (;;) {
    const [rows] = await session.query<RowDataPacket[]>({ sql: STILL_THERE, values: [[...ids]], timeout: timeoutMs });
    const left = rows.map((it) => Number(it['id'] ?? it['ID']));
    if (left.length === 0) return;
    if (performance.now() > untilMs) throw new Error(`an earlier session of ours does not end: ${left.join(', ')}`);
    for (const id of left) if (!ended.has(id)) await killConnection(session, id, timeoutMs);
    for (const id of left) ended.add(id);
    await sleep(POLL_MS);
  }
}
