import type { Connection } from 'mysql2/promise';
import { errnoOf } from './probe-failure.js';

const NO_SUCH_THREAD = 1094;

/** Ends a connection by its id; one that has ended already is as good. @throws what else the server says */
export async function killConnection(session: Connection, id: number, timeout: number): Promise<void> {
  try {
    await session.query({ sql: 'KILL CONNECTION ?', values: [id], timeout });
  } catch (error) {
    if (errnoOf(error) !== NO_SUCH_THREAD) throw error;
  }
}
