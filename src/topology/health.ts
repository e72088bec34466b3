/**
 * How well a node can serve:
 *
 * ```
 *  unseen ──► up ◄──────────► lagging          no new reads; those that run go on
 *              │ ▲ │                             what replicates badly, or is late
 *              │ │ └─► suspect ──► down         one failure; three, or nothing listens there
 *              │ └───────┴──────────┘            answers again: let in gently
 *              ├─► draining ──► maintenance     by command, until it is resumed
 *              └─► quarantined                  what it says does not fit the cluster
 * ```
 */
export const HEALTHS = [
  'unseen',
  'up',
  'lagging',
  'suspect',
  'down',
  'draining',
  'maintenance',
  'quarantined',
] as const;
export type Health = (typeof HEALTHS)[number];

export const HEALTH_EVENTS = [
  /** It answered, and has what it should have. */
  'answered',
  /** It answered; its data are too old, or nothing replaces them. */
  'behind',
  /** It answered; it is none of the cluster's, or writable beside the primary. */
  'misfit',
  /** A probe, or a connection for a client, failed. */
  'failed',
  /** So often that it is taken to be gone; or nothing listens there. */
  'silent',
  /** By command: no new statements. */
  'drain',
  /** Nothing runs there any more. */
  'drained',
  /** By command: at once, whatever runs there. */
  'maintain',
  /** By command: back to service. */
  'resume',
] as const;
export type HealthEvent = (typeof HEALTH_EVENTS)[number];

/** What an operator says of a node. */
export type NodeCommand = Extract<HealthEvent, 'drain' | 'maintain' | 'resume'>;

/** Where it is by command, it stays; what it says meanwhile changes nothing. */
const BY_COMMAND = { answered: 'same', behind: 'same', misfit: 'same', failed: 'same', silent: 'same' } as const;
const SEEN = { answered: 'up', behind: 'lagging', misfit: 'quarantined', silent: 'down' } as const;
const COMMANDS = { drain: 'draining', drained: 'same', maintain: 'maintenance', resume: 'same' } as const;

const TABLE: Readonly<Record<Health, Readonly<Record<HealthEvent, Health | 'same'>>>> = {
  unseen: { ...SEEN, ...COMMANDS, failed: 'suspect' },
  up: { ...SEEN, ...COMMANDS, failed: 'suspect' },
  lagging: { ...SEEN, ...COMMANDS, failed: 'suspect' },
  suspect: { ...SEEN, ...COMMANDS, failed: 'same' },
  down: { ...SEEN, ...COMMANDS, failed: 'same', drain: 'maintenance' },
  draining: {
    ...BY_COMMAND,
    // What hangs there never comes to its end.
    silent: 'maintenance',
    drain: 'same',
    drained: 'maintenance',
    maintain: 'maintenance',
    resume: 'unseen',
  },
  maintenance: { ...BY_COMMAND, drain: 'same', drained: 'same', maintain: 'same', resume: 'unseen' },
  quarantined: { ...SEEN, ...COMMANDS, failed: 'same' },
};

export function nextHealth(health: Health, event: HealthEvent): Health {
  const next = TABLE[health][event];
  return next === 'same' ? health : next;
}
