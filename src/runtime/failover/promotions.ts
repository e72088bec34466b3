import { diagnose } from '../../failover/diagnosis.js';
import type { SwitchoverSettings } from '../../failover/switchover-check.js';
import type { ClusterView, NodeState } from '../../failover/view.js';
import type { Leadership } from '../coordinator/coordinator.js';
import type { EventLog } from '../event-log.js';
import type { Conductor } from './conductor.js';
import type { DecisionBasis, Decisions } from './decisions.js';
import { Hooks } from './hooks.js';
import { loggable } from './loggable.js';
import type { FailoverSettings } from './settings.js';

/** After an attempt that came to nothing. */
export const RETRY_MS = 1_000;

/** How a change of the primary ended, for whoever asked for it. */
export type PromotionEnd =
  | { readonly kind: 'switched'; readonly node: string; readonly left: readonly string[] }
  | { readonly kind: 'failed'; readonly why: string };

/** The attempts to make another node the primary: each is carried out, told to whoever is to know, and what came of it is kept. */
export class Promotions {
  readonly #settings: FailoverSettings;
  readonly #conductor: Conductor;
  readonly #decisions: Decisions;
  readonly #hooks: Hooks;
  readonly #log: EventLog;
  readonly #nowMs: () => number;
  readonly #stuck: (node: string, why: string) => Promise<void>;
  #lastFailure = '';
  #lastFailoverMs = -Infinity;
  #notBeforeMs = 0;

  /** @param stuck it is not known whether the node takes writes */
  constructor(
    settings: FailoverSettings,
    conductor: Conductor,
    decisions: Decisions,
    log: EventLog,
    nowMs: () => number,
    stuck: (node: string, why: string) => Promise<void>,
  ) {
    this.#settings = settings;
    this.#conductor = conductor;
    this.#decisions = decisions;
    this.#hooks = new Hooks(settings.hooks, log);
    this.#log = log;
    this.#nowMs = nowMs;
    this.#stuck = stuck;
  }

  /** Why the last attempt came to nothing; '' for none since the primary was well. */
  get lastFailure(): string {
    return this.#lastFailure;
  }

  /** How long ago the last failover was. */
  get sinceFailoverMs(): number {
    return this.#nowMs() - this.#lastFailoverMs;
  }

  /** It is too early for another attempt. */
  get rests(): boolean {
    return this.#nowMs() < this.#notBeforeMs;
  }

  /** No attempt before that. */
  rest(ms: number): void {
    this.#notBeforeMs = Math.max(this.#notBeforeMs, this.#nowMs() + ms);
  }

  primaryIsWell(): void {
    this.#lastFailure = '';
  }

  /** @returns whether it is something new */
  failed(why: string): boolean {
    this.#notBeforeMs = this.#nowMs() + RETRY_MS;
    if (why === this.#lastFailure) return false;
    this.#lastFailure = why;
    this.#log.error(why);
    return true;
  }

  async failOver(
    view: ClusterView,
    primary: NodeState,
    why: string,
    ackers: readonly NodeState[],
    leadership: Leadership,
  ): Promise<PromotionEnd> {
    const { epoch } = leadership;
    return this.#decided({ kind: 'failover', epoch, why, diagnosis: diagnose(view).kind, view }, async () =>
      this.#tryFailover(view, primary, why, ackers, leadership),
    );
  }

  async switchOver(
    view: ClusterView,
    to: string,
    settings: SwitchoverSettings,
    leadership: Leadership,
  ): Promise<PromotionEnd> {
    const { epoch } = leadership;
    const why = `asked for by hand: to ${to}${settings.stragglers === 'kill' ? ', with force' : ''}`;
    return this.#decided({ kind: 'switchover', epoch, why, diagnosis: diagnose(view).kind, view }, async () =>
      this.#trySwitchover(view, to, settings, leadership),
    );
  }

  /** What is done meanwhile is done for this, and its end is written down with it. */
  async #decided(basis: DecisionBasis, act: () => Promise<PromotionEnd>): Promise<PromotionEnd> {
    this.#decisions.begin(basis);
    let outcome = 'broken off';
    try {
      const end = await act();
      outcome = end.kind === 'switched' ? `${end.node} is the primary` : `failed: ${end.why}`;
      return end;
    } finally {
      this.#decisions.end(outcome);
    }
  }

  async #tryFailover(
    view: ClusterView,
    primary: NodeState,
    why: string,
    ackers: readonly NodeState[],
    leadership: Leadership,
  ): Promise<PromotionEnd> {
    const beganAtMs = this.#nowMs();
    this.#log.warn({ view: loggable(view) }, `failover: ${why}`);
    const { epoch } = leadership;
    const told = { cluster: this.#settings.cluster, epoch, from: primary.name } as const;
    // It is tried again and again; those who are told want to know once.
    if (this.#lastFailure === '') this.#hooks.tell({ event: 'failover-begins', why, ...told });
    const { outcome } = await this.#conductor.failOver(view, ackers, epoch, leadership);
    const ms = Math.round(this.#nowMs() - beganAtMs);
    switch (outcome?.kind) {
      case 'promoted': {
        this.#lastFailoverMs = this.#nowMs();
        const what = `failover: ${outcome.node} is the primary of epoch ${epoch}`;
        if (outcome.lost.isEmpty) this.#log.warn({ epoch, ms }, what);
        else {
          const lost = outcome.lost.toString();
          this.#log.error({ epoch, ms, lost }, `${what}; transactions that only ${primary.name} had are lost: ${lost}`);
        }
        this.#hooks.tell({ event: 'failover', to: outcome.node, lost: outcome.lost.toString(), ...told });
        return { kind: 'switched', node: outcome.node, left: [] };
      }
      case 'stuck':
        await this.#stuck(outcome.node, outcome.why);
        return { kind: 'failed', why: `it is not known whether ${outcome.node} takes writes: ${outcome.why}` };
      case 'given-up':
        if (this.failed(`failover given up: ${outcome.why}`)) {
          this.#hooks.tell({ event: 'failover-given-up', why: outcome.why, ...told });
        }
        return { kind: 'failed', why: outcome.why };
      default:
        this.failed('failover ended: another proxy leads now');
        return { kind: 'failed', why: 'another proxy leads now' };
    }
  }

  async #trySwitchover(
    view: ClusterView,
    to: string,
    settings: SwitchoverSettings,
    leadership: Leadership,
  ): Promise<PromotionEnd> {
    this.#log.info({ view: loggable(view) }, `switchover to ${to}`);
    const state = await this.#conductor.switchOver(view, to, settings, leadership);
    if ('refusals' in state) return { kind: 'failed', why: state.refusals.join('; ') };
    const { outcome } = state;
    switch (outcome?.kind) {
      case 'switched':
        this.#log.info({ epoch: settings.epoch, left: outcome.left }, `switchover: ${outcome.node} is the primary`);
        this.#hooks.tell({
          event: 'switchover',
          cluster: this.#settings.cluster,
          epoch: settings.epoch,
          from: state.primary.name,
          to: outcome.node,
        });
        return { kind: 'switched', node: outcome.node, left: outcome.left };
      case 'stuck':
        await this.#stuck(outcome.node, outcome.why);
        return { kind: 'failed', why: `it is not known whether ${outcome.node} takes writes: ${outcome.why}` };
      case 'given-up':
        this.#log.warn(`switchover given up, everything is as it was: ${outcome.why}`);
        return { kind: 'failed', why: `${outcome.why}; everything is as it was` };
      default:
        return { kind: 'failed', why: 'another proxy leads now' };
    }
  }
}
