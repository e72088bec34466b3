import type { PrimaryRecord } from './coordinator.js';

/** @returns undefined where it is none */
export function parsePrimaryRecord(json: string): PrimaryRecord | undefined {
  const value = parse(json);
  if (typeof value !== 'object' || value === null) return undefined;
  const { epoch, phase, serverUuid, node, gtid }: Partial<Record<keyof PrimaryRecord, unknown>> = value;
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0) return undefined;
  if (phase !== 'promoting' && phase !== 'primary') return undefined;
  if (typeof serverUuid !== 'string' || typeof node !== 'string' || typeof gtid !== 'string') return undefined;
  return { epoch, phase, serverUuid, node, gtid };
}

/** The same text for the same record, by which a record is known again. */
export function primaryRecordText({ epoch, phase, serverUuid, node, gtid }: PrimaryRecord): string {
  return JSON.stringify({ epoch, phase, serverUuid, node, gtid });
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
