import type { NodeState, Preference, Reach } from '../../failover/view.js';
import type { NodeAddress } from '../../topology/snapshot.js';
import type { PromoterLogin } from '../monitor-login.js';
import { isAlive, isRefusal } from '../probe-failure.js';
import { HaSession, type HaIdentity } from './ha-session.js';
import { NodeLook, type JournalEntry, type Looked } from './node-look.js';

/** How long a node may take for one answer before it counts as silent. */
const LOOK_TIMEOUT_MS = 400;

/** One node, as failovers see it: looked at by one session, changed by another, so that neither waits for the other. */
export class HaNode {
  readonly address: NodeAddress;
  readonly preference: Preference;
  /** For what is done there. */
  readonly tasks: HaSession;
  readonly #looks: HaSession;
  readonly #look: NodeLook;
  readonly #nowMs: () => number;
  readonly #onLooked: (node: HaNode) => void;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #looked: Looked | undefined;
  #seenAtMs = 0;
  #reach: Reach = 'silent';
  #why = 'it has not answered yet';
  /** When the last look began that has ended. */
  lookedFromMs = -Infinity;
  /** The last look has found it started anew: what it was told to start before, it may not have started. */
  hasRestarted = false;
  /** Since when no look has been answered. */
  failingSinceMs: number | undefined;

  constructor(
    address: NodeAddress,
    preference: Preference,
    login: PromoterLogin,
    nowMs: () => number,
    onLooked: (node: HaNode) => void,
    identity: () => HaIdentity,
  ) {
    this.address = address;
    this.preference = preference;
    this.#nowMs = nowMs;
    this.#onLooked = onLooked;
    this.#looks = new HaSession(address, login, () => this.hurry());
    this.tasks = new HaSession(address, login, () => {}, identity);
    this.#look = new NodeLook(this.#looks, nowMs);
  }

  /** What it said last, and whether it still says it; undefined where it has never answered. */
  get state(): NodeState | undefined {
    if (this.#looked === undefined) return undefined;
    const { name, host, port } = this.address;
    const { journal: _journal, uptimeS: _uptimeS, isAsStarted: _isAsStarted, ...looked } = this.#looked;
    return {
      name,
      host,
      port,
      preference: this.preference,
      reach: this.#reach,
      why: this.#why,
      failingSinceMs: this.failingSinceMs,
      seenAtMs: this.#seenAtMs,
      ...looked,
    };
  }

  get journal(): readonly JournalEntry[] {
    return this.#looked?.journal ?? [];
  }

  get isAsStarted(): boolean {
    return this.#looked?.isAsStarted === true;
  }

  get uptimeS(): number {
    return this.#looked?.uptimeS ?? Infinity;
  }

  /** Looks, unless it is being looked at already: then once more after that. */
  hurry(): void {
    if (this.#looking !== undefined) this.#again = true;
    else this.schedule(0);
  }

  /** The next look begins after so long, at the latest. */
  schedule(afterMs: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#looking !== undefined) return;
    this.#timer = setTimeout(() => void this.lookNow(), afterMs);
  }

  /** Resolves when it was looked at: where that is under way already, when it is over. */
  async lookNow(): Promise<void> {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#looking ??= this.#lookOnce();
    await this.#looking;
  }

  async #lookOnce(): Promise<void> {
    this.#again = false;
    const beganAtMs = this.#nowMs();
    try {
      const looked = await this.#look.look(LOOK_TIMEOUT_MS);
      this.hasRestarted = looked.uptimeS < this.uptimeS && this.#looked !== undefined;
      this.#looked = looked;
      this.#seenAtMs = beganAtMs;
      this.#reach = 'answers';
      this.#why = '';
      this.failingSinceMs = undefined;
    } catch (error) {
      this.hasRestarted = false;
      this.#reach = isRefusal(error) ? 'refused' : isAlive(error) ? 'full' : 'silent';
      this.#why = error instanceof Error && error.message !== '' ? error.message : nameOf(error);
      this.failingSinceMs ??= beganAtMs;
    }
    this.lookedFromMs = beganAtMs;
    this.#looking = undefined;
    if (this.#stopped) return;
    this.#onLooked(this);
    if (this.#again) this.schedule(0);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#looks.close();
    this.tasks.close();
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
