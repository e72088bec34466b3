import { pino, type Logger } from 'pino';
import { PinoPretty as pretty } from 'pino-pretty';

export type Log = Logger;

/** JSON lines to stderr; readable ones where stderr is a terminal. stdout is left to what a command has to say. */
export function createLog(level: string): Log {
  const stderr = 2;
  const options = { level, base: null };
  if (!process.stderr.isTTY) return pino(options, pino.destination({ dest: stderr, sync: true }));
  return pino(options, pretty({ destination: stderr, sync: true, ignore: 'pid,hostname' }));
}
