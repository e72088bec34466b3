import { DEFAULTS } from '../../src/defaults.js';
import type { ReplayOptions } from '../options.js';

/** What all sessions together keep of their open transactions. */
export class ReplayRoom {
  readonly maxBytes: number;
  usedBytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }
}

/** How far transactions are kept, so that they can be run again on another primary. */
export interface ReplaySettings {
  /** Of one transaction. */
  readonly statements: number;
  /** Of one transaction. */
  readonly bytes: number;
  readonly room: ReplayRoom;
}

/** @returns undefined where no transaction is to be run again */
export function replaySettings({ transactions, statements, bytes, bytesOfAll }: ReplayOptions = {}):
  ReplaySettings | undefined {
  if (transactions !== true) return undefined;
  return {
    statements: statements ?? DEFAULTS.replayStatements,
    bytes: bytes ?? DEFAULTS.replayBytes,
    room: new ReplayRoom(bytesOfAll ?? DEFAULTS.replayBytesOfAll),
  };
}
