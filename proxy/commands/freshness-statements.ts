import type { OwnSetting } from '../../src/classify/own-statement.js';
import { DEFAULTS } from '../../src/defaults.js';
import { errPacketOf, RwsplitError } from '../../src/errors.js';
import type { Message } from '../../src/protocol/framing.js';
import { CONSISTENCY_LEVELS, isConsistency } from '../../src/session/consistency.js';
import { GtidSet } from '../../src/topology/gtid-set.js';
import { frameResultSet } from '../admin/result-set.js';
import { showToken } from '../admin/show-token.js';
import type { Cluster } from '../run/runner-context.js';
import type { Dispatch } from './dispatch.js';

/** What a session says and asks of how fresh its reads are. No server hears of it. */
export class FreshnessStatements {
  readonly #dispatch: Dispatch;
  readonly #cluster: Cluster;

  constructor(dispatch: Dispatch, cluster: Cluster) {
    this.#dispatch = dispatch;
    this.#cluster = cluster;
  }

  set(setting: OwnSetting, message: Message): void {
    const error = setting.name === 'token' ? this.#takeToken(setting.value) : this.#choose(setting.value);
    if (error === undefined) this.#dispatch.answerOk(message);
    else this.#dispatch.refuse(message, error);
  }

  /** @param capabilities of the client */
  showToken(capabilities: number, message: Message): void {
    const { freshness } = this.#dispatch.runner.session;
    const known = freshness.token(this.#cluster.snapshot());
    if (known !== undefined) {
      this.#answerToken(known, capabilities, message);
      return;
    }
    this.#cluster.askPrimary().then(
      (primary) => {
        if (primary === undefined) {
          const what = 'what the session has read is not known, for the primary does not answer; ask again';
          this.#dispatch.refuse(message, new RwsplitError('no-primary', what));
        } else this.#answerToken(freshness.tokenWith(primary), capabilities, message);
      },
      (error: unknown) => this.#dispatch.answerError(message, errPacketOf(error)),
    );
  }

  #answerToken(token: GtidSet, capabilities: number, message: Message): void {
    const { status } = this.#dispatch.runner.session;
    const set = showToken(token.toString());
    this.#dispatch.answer(frameResultSet(set, capabilities, status, message.nextSequenceId));
  }

  #choose(text: string | undefined): RwsplitError | undefined {
    const level = text?.toLowerCase();
    if (level !== undefined && !isConsistency(level)) {
      return new RwsplitError('bad-setting', `the consistency is one of ${CONSISTENCY_LEVELS.join(', ')}`);
    }
    this.#dispatch.runner.session.freshness.choose(level);
    return undefined;
  }

  #takeToken(text = ''): RwsplitError | undefined {
    const set = text.length > DEFAULTS.tokenBytes ? undefined : GtidSet.parse(text);
    if (set === undefined) {
      return new RwsplitError('bad-setting', 'a token is a GTID set, as SHOW RWSPLIT TOKEN tells it');
    }
    this.#dispatch.runner.session.freshness.mustSee(set);
    return undefined;
  }
}
