import { follows, type ClusterView, type NodeState, type ReplicaState } from './view.js';

/** What is wrong with the primary. Only `dead` is a reason to promote. */
export const DIAGNOSES = [
  'healthy',
  /** It does not answer here; the replicas have not shown yet whether they hear of it. */
  'suspect',
  /** It does not answer here, and refuses connections; the replicas' older connections stand: they have to try anew. */
  'refuses-here',
  /** It does not answer here, and replicas hear of it all the same. */
  'unreachable-from-here',
  /** Nobody hears of it. */
  'dead',
  /** Neither it nor any replica answers: this may be our own network. */
  'nobody-answers',
  /** It answers; no replica receives anything from it. */
  'replication-broken',
  /** Its transactions wait for acknowledgements that nobody is there to give. */
  'semi-sync-locked',
  /** It is there, but lets nobody in. */
  'overloaded',
  /** It answers, and takes no writes. */
  'closed',
] as const;
export type DiagnosisKind = (typeof DIAGNOSES)[number];

export interface Diagnosis {
  readonly kind: DiagnosisKind;
  /** In words, with the nodes' names. */
  readonly why: string;
}

/** What a replica says of its source by its own connection. */
type Vote = 'hears' | 'lost' | 'abstains';

/** At least so long, and so many heartbeats, nothing may come before a source counts as lost. */
export const QUIET_MS = 500;
const QUIET_HEARTBEATS = 2.5;

/** A receiver that stands still for these could not reach its source. Errors of MySQL's client library. */
const CONNECTION_ERRORS: ReadonlySet<number> = new Set([2002, 2003, 2005, 2006, 2013, 2026, 2055]);

/**
 * From several sides: our own look at the primary, and what its replicas hear of it.
 *
 * | the primary here | its replicas | |
 * |---|---|---|
 * | answers | | healthy, closed, replication-broken, semi-sync-locked |
 * | full | | overloaded |
 * | silent, refused | one hears of it | unreachable-from-here; refuses-here |
 * | silent, refused | one has lost it, none hears of it | dead |
 * | silent, refused | none has a say | suspect; nobody-answers |
 */
export function diagnose({ primary, others }: ClusterView): Diagnosis {
  if (primary === undefined) return { kind: 'suspect', why: 'no primary is known' };
  const { name } = primary;
  const replicas = others.filter((it) => follows(it, primary));
  const answering = replicas.filter(({ reach }) => reach === 'answers');
  if (primary.reach === 'full') return { kind: 'overloaded', why: `${name} lets nobody in: ${primary.why}` };
  if (primary.reach === 'answers') return ofAnswering(primary, answering);
  const gone = `${name} does not answer (${primary.why})`;
  const heard = answering.filter((it) => voteOf(it) === 'hears').map((it) => it.name);
  const lost = answering.filter((it) => voteOf(it) === 'lost').map((it) => it.name);
  if (heard.length > 0) {
    const why = `${gone}, but ${heard.join(' and ')} receive${heard.length === 1 ? 's' : ''} from it`;
    return { kind: primary.reach === 'refused' ? 'refuses-here' : 'unreachable-from-here', why };
  }
  if (lost.length > 0) return { kind: 'dead', why: `${gone}, and ${lost.join(' and ')} lost it, too` };
  if (answering.length === 0) return { kind: 'nobody-answers', why: `${gone}, nor does any of its replicas` };
  return { kind: 'suspect', why: `${gone}; its replicas have no connection to it that could tell` };
}

function ofAnswering(primary: NodeState, answering: readonly NodeState[]): Diagnosis {
  const { name, semiSync, readOnly } = primary;
  if (readOnly) return { kind: 'closed', why: `${name} answers, and is read-only` };
  if (semiSync?.sourceActive === true && semiSync.waiting > 0) {
    const { waiting, clients, acknowledgements } = semiSync;
    // It counts a replica that is frozen for as long as the connection stands.
    const giving = answering.filter((it) => it.replica?.receiver === 'on' && it.semiSync?.replicaEnabled === true);
    const count = Math.min(clients, giving.length);
    if (count < acknowledgements) {
      const why = `${waiting} transactions on ${name} wait for ${acknowledgements} acknowledgements, and ${count} replicas give them`;
      return { kind: 'semi-sync-locked', why };
    }
  }
  if (answering.length > 0 && answering.every((it) => it.replica?.receiver !== 'on')) {
    const names = answering.map((it) => it.name).join(' and ');
    return { kind: 'replication-broken', why: `${name} answers, but ${names} receive nothing from it` };
  }
  return { kind: 'healthy', why: '' };
}

function voteOf({ replica }: NodeState): Vote {
  if (replica === undefined) return 'abstains';
  const { receiver, receiverErrno, quietForMs } = replica;
  if (receiver === 'connecting') return 'lost';
  // One that was stopped on purpose knows nothing.
  if (receiver === 'off') return CONNECTION_ERRORS.has(receiverErrno) ? 'lost' : 'abstains';
  return quietForMs >= quietLimitMs(replica) ? 'lost' : 'hears';
}

/** A source of which nothing has come for so long counts as lost. */
export function quietLimitMs({ heartbeatMs }: ReplicaState): number {
  return Math.max(QUIET_MS, QUIET_HEARTBEATS * heartbeatMs);
}
