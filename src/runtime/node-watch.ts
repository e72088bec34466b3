import { DEFAULTS } from '../defaults.js';
import type { Assessed } from '../topology/assess.js';
import { nextHealth, type Health, type HealthEvent, type NodeCommand } from '../topology/health.js';
import type { PrimaryPositions } from '../topology/lag.js';
import type { NodeReport, Observation } from '../topology/observation.js';
import type { Role } from '../topology/snapshot.js';
import type { NodeProbe } from './node-probe.js';

/** After these it may have been started anew: with all its caches empty. */
const COLD: ReadonlySet<Health> = new Set(['down', 'maintenance']);

const BY_COMMAND = 'by command';

/** What has become of one node, look by look. */
export class NodeWatch {
  readonly probe: NodeProbe;
  /** Another node told of it; the configuration does not name it. */
  readonly isDiscovered: boolean;
  observation: Observation;
  health: Health = 'unseen';
  lagMs = 0;
  #why = '';
  #failures = 0;
  /** Why it did not answer last. */
  #failure = '';
  #looks = 0;
  /** New logins fail, although the session that is kept goes on. */
  #loginFailure: string | undefined;
  /** Of what is not up. */
  #outSinceMs: number | undefined;
  #wasCold = false;
  #upSinceMs: number | undefined;
  /** How long it takes from then on until it gets its full part of the reads. */
  #easesInMs = 1;
  #downSinceMs = Infinity;

  constructor(probe: NodeProbe, isDiscovered: boolean) {
    this.probe = probe;
    this.isDiscovered = isDiscovered;
    this.observation = { kind: 'unseen', address: probe.address };
  }

  get name(): string {
    return this.probe.address.name;
  }

  get report(): NodeReport | undefined {
    return this.observation.kind === 'answered' ? this.observation : undefined;
  }

  /** @param isLate it did not have all that the primary had, when it was looked at last */
  async look(isLate: boolean): Promise<void> {
    this.#looks++;
    const isDue = (every: number): boolean => this.#looks % every === 0;
    const seen = await this.probe.observe({
      replication: isLate || isDue(DEFAULTS.looksPerReplication),
      others: isDue(DEFAULTS.looksPerDiscovery),
      lag: isLate,
    });
    if (seen.kind === 'answered' && (this.#loginFailure !== undefined || isDue(DEFAULTS.looksPerLogin))) {
      const refused = await this.probe.logIn();
      this.#loginFailure = refused?.kind === 'silent' ? refused.why : undefined;
    }
    this.#take(seen);
  }

  /** A client's connection to it failed. */
  connectionFailed(why: string): void {
    if (this.health === 'up' || this.health === 'lagging') this.#apply('failed', why, Date.now());
  }

  command(event: NodeCommand): void {
    this.#apply(event, '', Date.now());
  }

  /** While it is drained. @param inUse connections there on which something runs, or which a session keeps */
  drain(inUse: number): void {
    if (inUse === 0) this.#apply('drained', '', Date.now());
    else this.#why = `${BY_COMMAND}; connections in use there: ${inUse}`;
  }

  /** What all nodes have said shows what this one's last answer is worth. */
  judge(positions: PrimaryPositions, role: Role, misfit: string | undefined, maxLagMs: number, nowMs: number): void {
    const { observation, report } = this;
    if (observation.kind === 'unseen') return;
    if (report === undefined || this.#failures > 0) {
      const why = observation.kind === 'silent' ? observation.why : this.#failure;
      this.#apply(observation.kind === 'silent' && !observation.alive ? 'silent' : 'failed', why, nowMs);
      return;
    }
    this.lagMs = role === 'replica' ? positions.lagOf(report) : 0;
    const { source } = report;
    if (misfit !== undefined) this.#apply('misfit', misfit, nowMs);
    else if (this.#loginFailure !== undefined) this.#apply('failed', this.#loginFailure, nowMs);
    else if (role === 'replica' && source?.applies === false) {
      const why = source.error === '' ? 'START REPLICA there' : source.error;
      this.#apply('behind', `it does not apply what it receives: ${why}`, nowMs);
    } else if (this.lagMs > maxLagMs) this.#apply('behind', `it is more than ${maxLagMs} ms late`, nowMs);
    else this.#apply('answered', '', nowMs);
  }

  assessed(nowMs: number): Assessed {
    const { observation, health, lagMs } = this;
    const eased = this.#upSinceMs === undefined ? 1 : (nowMs - this.#upSinceMs) / this.#easesInMs;
    // Never nothing: what gets no reads shows no latency either.
    const share = Math.min(1, Math.max(0.05, eased));
    return { observation, health, why: this.#why, lagMs, share };
  }

  /** Whether there is no use in looking at it any more. */
  isForgettable(nowMs: number): boolean {
    return this.isDiscovered && nowMs - this.#downSinceMs > DEFAULTS.forgetNodeMs;
  }

  #take(seen: Observation): void {
    if (seen.kind !== 'silent') {
      this.#failures = 0;
      this.observation = seen;
      return;
    }
    this.#failures++;
    const isGone = seen.refused || this.#failures >= DEFAULTS.silentAfterLooks;
    // Until then, and while it is there but full, what it said last still counts.
    if (this.report === undefined || (isGone && !seen.alive)) this.observation = seen;
    else this.#failure = seen.why;
  }

  #apply(event: HealthEvent, why: string, nowMs: number): void {
    const before = this.health;
    const next = nextHealth(before, event);
    this.health = next;
    // What an operator said, and that it does not fit, stays the reason whatever else happens.
    const isByCommand = next === 'draining' || next === 'maintenance';
    const stands = isByCommand || (next === 'quarantined' && event === 'failed');
    if (next !== before || !stands) this.#why = isByCommand ? BY_COMMAND : why;
    if (next === before) return;
    this.#downSinceMs = next === 'down' ? nowMs : Infinity;
    if (next === 'up') this.#letIn(nowMs);
    else this.#outSinceMs ??= nowMs;
    if (COLD.has(next)) this.#wasCold = true;
  }

  /** As gently as it was away for long; and where all its caches may be empty, as gently as can be. */
  #letIn(nowMs: number): void {
    if (this.#outSinceMs === undefined) return;
    const awayMs = this.#wasCold ? Infinity : nowMs - this.#outSinceMs;
    this.#easesInMs = Math.max(1, Math.min(DEFAULTS.slowStartMs, awayMs));
    this.#upSinceMs = nowMs;
    this.#outSinceMs = undefined;
    this.#wasCold = false;
  }
}
