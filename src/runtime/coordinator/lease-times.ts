import { DEFAULTS } from '../../defaults.js';

export interface LeaseTimes {
  /** So long a leadership lasts at etcd or the servers when its holder falls silent. */
  readonly ttlMs: number;
  /** The holder itself takes it to be over so much earlier. */
  readonly marginMs: number;
  /** How often it is renewed, and how often the others look who leads. */
  readonly renewMs: number;
}

/** Two renewals may fail before a leadership is over. */
export function leaseTimes(ttlMs: number = DEFAULTS.leaseTtlMs): LeaseTimes {
  return { ttlMs, marginMs: ttlMs * DEFAULTS.leaseMarginShare, renewMs: ttlMs * DEFAULTS.leaseRenewShare };
}
