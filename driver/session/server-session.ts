import type { Classification } from '../../src/classify/classification.js';
import type { KnownStatement } from '../../src/classify/known-statement.js';
import { flavourOf } from '../../src/flavour/flavour-of.js';
import { ServerStatus } from '../../src/protocol/server-status.js';
import type { SessionChange } from '../../src/protocol/session-changes.js';
import { Session } from '../../src/session/session.js';
import type { Untold } from '../../src/session/untold-commits.js';
import type { NodeAddress } from '../../src/topology/snapshot.js';
import type { Scope, Scopes } from '../cluster/scopes.js';
import { isLoss } from '../errors.js';
import type { CoreCommand, OkResult, QueryError } from '../mysql2/internals.js';
import type { StatementTexts } from '../route/statement-texts.js';
import { isOkResult, trimmed } from './ok-result.js';

/** What the sessions of a pool share. */
export interface SessionHost {
  readonly scopes: Scopes;
  readonly texts: StatementTexts;
  /** What a fresh session has. */
  readonly baseline: ReadonlyMap<string, string>;
  readonly serverVersion: string;
  /** Something was committed, or may have been, and no answer tells what. */
  wroteUntold(scope: Scope, untold: Untold): void;
  /** A statement is sent that is no certain read. */
  sends(classification: Classification, sql: string): void;
}

/** The state that a statement is to find. */
export type Wanted = Pick<Session, 'state' | 'lexMode'>;

/**
 * What is known of the session on one connection of mysql2, by what was sent over it and what the server told. It lives as long as
 * the connection: who gets it next meets what the one before has left, as with any pool of mysql2.
 */
export class ServerSession {
  readonly node: NodeAddress;
  readonly session: Session;
  /** What it was when the application had set up the connection. */
  #initial: Wanted | undefined;
  /** To be ended instead of given back. */
  isRetired = false;
  /** Its connection is gone. */
  isGone = false;
  /** The application has made it another user's: no connection of the pools is that. */
  isOfOtherUser = false;
  readonly #host: SessionHost;
  #pending = 0;
  #waiting: (() => void)[] = [];
  #expected: KnownStatement | undefined;
  #own: CoreCommand | undefined;

  constructor(node: NodeAddress, schema: string, host: SessionHost) {
    this.node = node;
    this.#host = host;
    this.session = new Session(schema, host.baseline, host.serverVersion);
  }

  /** No other command is under way beside the one that is asking. */
  get isOnly(): boolean {
    return this.#pending === 1;
  }

  /** Commands are under way: what the session is in is not known before they ended. */
  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** Something is under way that has to come to its end there. */
  get isAtWork(): boolean {
    return !this.isGone && (this.isBusy || this.session.mustGoOn);
  }

  /** Nothing of it would be missed elsewhere. */
  get isFree(): boolean {
    const { session } = this;
    return !this.isBusy && session.mayGiveUpPrimary;
  }

  get initial(): Wanted {
    return this.#initial ?? this.session;
  }

  /** It was brought into another state, by us. */
  isNow({ state, lexMode }: Wanted): void {
    this.session.state = state;
    this.session.lexMode = lexMode;
  }

  /** @param then called at once where no command is under way */
  whenIdle(then: () => void): void {
    if (this.#pending === 0) then();
    else this.#waiting.push(then);
  }

  /** @param known what the command is that `begin` puts into the queue; where it fails before that, nothing is */
  expecting<T>(known: KnownStatement, begin: () => T): T {
    this.#expected = known;
    try {
      return begin();
    } finally {
      this.#expected = undefined;
    }
  }

  /** The same, for who says that nothing more is expected when the command is in the queue, or is not. */
  expects(known: KnownStatement | undefined): void {
    this.#expected = known;
  }

  /** The next command is ours: the session is told of it otherwise. */
  expectOwn(command: CoreCommand): void {
    this.#own = command;
  }

  /** A command is put into the connection's queue. @param isLeased whether anything runs there matters for what comes next */
  watch(command: CoreCommand, isLeased: boolean): void {
    // Of a read that is prepared there are two commands.
    if (this.#expected !== undefined && !isLeased && isCertainRead(this.#expected)) return;
    const known = command === this.#own ? undefined : this.#knownOf(command);
    const isRead = known !== undefined && isCertainRead(known);
    if (isRead && !isLeased) return;
    if (known !== undefined && !isRead) this.#watchEnd(command, known);
    this.#pending++;
    command.once('end', () => this.#ended());
  }

  /** The session begins anew; what it has then is told next. */
  reset(): void {
    this.session.reset(ServerStatus.AUTOCOMMIT);
  }

  /** Another user, with another schema. */
  changed(schema: string): void {
    this.session.changedUser(schema, ServerStatus.AUTOCOMMIT);
  }

  /** The answer to what turns the session trackers on. */
  tracks({ stateChanges, serverStatus }: OkResult): void {
    const variables = Object.entries(stateChanges?.systemVariables ?? {});
    const changes = variables.map(([name, value]) => ({ kind: 'system-variable', name, value }) as const);
    this.session.learn('primary', changes, serverStatus);
  }

  /** No more answers come. */
  lost(): void {
    this.isGone = true;
    this.#pending = 1;
    this.#ended();
  }

  #ended(): void {
    this.#pending--;
    if (this.#pending === 0 && this.#initial === undefined) {
      const { state, lexMode } = this.session;
      this.#initial = { state, lexMode };
    }
    if (this.#pending > 0 || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const then of waiting) then();
  }

  #knownOf(command: CoreCommand): KnownStatement | undefined {
    const sql = command.sql ?? command.statement?.query;
    if (typeof sql !== 'string') return undefined;
    const expected = this.#expected;
    this.#expected = undefined;
    return expected ?? this.#host.texts.findPrepared(sql, false, this.session);
  }

  #watchEnd(command: CoreCommand, { classification }: KnownStatement): void {
    const scope = this.#host.scopes.current;
    const { session } = this;
    const changes: SessionChange[] = [];
    let ok: OkResult | undefined;
    let insertsId = false;
    let tellsCommits = false;
    let failure: QueryError | undefined;
    let gaveRows = false;
    this.#host.sends(classification, command.sql ?? command.statement?.query ?? '');
    session.begin(classification.target === 'last');
    command.on('result', (result: unknown) => {
      if (!isOkResult(result)) return;
      ok = result;
      tellsCommits = true;
      insertsId ||= Number(result.insertId) !== 0;
      changes.push(...this.#take(result, scope));
    });
    command.on('fields', (fields: unknown) => {
      gaveRows ||= fields !== undefined;
      tellsCommits &&= fields === undefined;
    });
    const { onResult } = command;
    if (onResult !== undefined) {
      command.onResult = (error, ...rest) => {
        if (error) failure = error;
        // A file that could not be read: mysql2 tells no event of that.
        if (error && isOkResult(rest[0])) changes.push(...this.#take(rest[0], scope));
        onResult(error, ...rest);
      };
    }
    command.once('end', () => {
      const failed = failure !== undefined || (ok === undefined && !gaveRows);
      const error = failed ? (failure ?? { errno: 0, sqlState: 'HY000', message: '' }) : undefined;
      const text = session.wantsText(classification) ? Buffer.from(command.sql ?? '', 'utf8') : undefined;
      const asksNext = classification.pins.includes('next-transaction');
      const untold = session.end({
        role: 'primary',
        classification,
        status: ok?.serverStatus,
        ok: ok === undefined ? undefined : okPacketOf(ok),
        insertsId,
        error: error === undefined ? undefined : errPacketOf(error),
        warnings: ok?.warningStatus ?? 0,
        tellsCommits: tellsCommits && !failed,
        rows: undefined,
        changes,
        command: asksNext ? Buffer.from(command.sql ?? '', 'utf8') : undefined,
        prepares: false,
        text,
      });
      // Of what went with its connection the application is told that.
      const isLost = failure !== undefined && isLoss(failure);
      if (untold !== undefined && !isLost) this.#host.wroteUntold(scope, untold);
    });
  }

  /** Reads what the session trackers told, and leaves what the application would see without us. */
  #take(result: OkResult, scope: Scope): SessionChange[] {
    const { stateChanges } = result;
    if (stateChanges === undefined) return [];
    const changes: SessionChange[] = [];
    for (const gtids of stateChanges.gtids) changes.push({ kind: 'gtids', gtids });
    if (stateChanges.schema !== null) changes.push({ kind: 'schema', name: stateChanges.schema });
    for (const [name, value] of Object.entries(stateChanges.systemVariables)) {
      changes.push({ kind: 'system-variable', name, value });
    }
    if (stateChanges.trackStateChange === '1') changes.push({ kind: 'state-change' });
    // What was committed the servers of MariaDB tell by a variable.
    const flavour = flavourOf(this.session.serverVersion);
    for (const change of changes) {
      const gtids = flavour.commitsOf(change);
      if (gtids !== undefined) this.#host.scopes.wrote(scope, gtids);
    }
    if (!this.session.pins.has('session-tracker')) trimmed(result, stateChanges);
    return changes;
  }
}

/** It changes nothing of its session, whatever it gives. */
function isCertainRead({ classification: { target, pins, transaction } }: KnownStatement): boolean {
  return target === 'replica' && pins.length === 0 && transaction === undefined;
}

function okPacketOf(ok: OkResult): Parameters<Session['end']>[0]['ok'] {
  const none = Buffer.alloc(0);
  return {
    header: 0,
    affectedRows: BigInt(ok.affectedRows),
    lastInsertId: 0n,
    status: ok.serverStatus,
    warnings: ok.warningStatus,
    info: none,
    sessionChanges: none,
  };
}

function errPacketOf(error: QueryError | { errno: number; sqlState: string; message: string }): {
  errno: number;
  sqlState: string;
  message: string;
} {
  return { errno: error.errno ?? 0, sqlState: error.sqlState ?? 'HY000', message: error.message };
}
