import type { Classification, LexMode } from '../classify/classification.js';
import { ServerStatus } from '../protocol/server-status.js';
import { LAST_GTID, STATEMENT_ID, type SessionChange } from '../protocol/session-changes.js';
import { isOracleMode, lexModeOf } from './lex-mode.js';
import { NextTransaction } from './next-transaction.js';
import { concernsNamed, NamedThings } from './named-things.js';
import type { Flavour } from '../flavour/flavour.js';
import { flavourOf } from '../flavour/flavour-of.js';
import { Commits } from './commits.js';
import { Freshness } from './freshness.js';
import type { Hold, Pin } from './pin.js';
import { Reasons } from './reasons.js';
import { TemporaryTables } from './temporary-tables.js';
import { untoldBy, type Untold } from './untold-commits.js';
import { refusedUnread, type StatementEnd } from './statement-end.js';
import { changeState, freshState, hasRole, resetState, withRole, type SessionState } from './session-state.js';

/** What a statement has left for the next one to ask for, and that cannot be set anew elsewhere. */
export interface PreviousLeft {
  /** ROW_COUNT(), of rows that were changed. */
  readonly rowCount: boolean;
  /** Warnings, or an error. */
  readonly diagnostics: boolean;
}

const NOTHING_LEFT: PreviousLeft = { rowCount: false, diagnostics: false };

/** Whether a statement may have left on its connection what no tracker reports. */
function isOpaque({ reason, leavesNothing }: Classification): boolean {
  return (reason === 'procedure-call' || reason === 'stored-function') && leavesNothing === undefined;
}

/** They change by themselves, and no later statement depends on them. */
const SAYS_NOTHING: ReadonlySet<string> = new Set([STATEMENT_ID, LAST_GTID]);

/** Variables whose value says nothing of the session's later statements, or cannot be carried: see the pin `one-shot-variable`. */
const NOT_CARRIED: ReadonlySet<string> = new Set([
  ...SAYS_NOTHING,
  'insert_id',
  'last_insert_id',
  'identity',
  'timestamp',
  'rand_seed1',
  'rand_seed2',
  'gtid_next',
  // MariaDB's; setting them again may need privileges.
  'gtid_seq_no',
  'gtid_domain_id',
  'skip_replication',
  'server_id',
  'pseudo_thread_id',
  'pseudo_replica_mode',
  'pseudo_slave_mode',
  'sql_log_bin',
  'session_track_system_variables',
  'session_track_schema',
  'session_track_state_change',
  'session_track_gtids',
  'session_track_transaction_info',
]);

/** What COM_RESET_CONNECTION does not end. Source: MySQL 9.7. */
const RESET_LEAVES: readonly Pin[] = ['role', 'resource-group'];

/** Of what these have run nobody has seen the text: it may have set roles. */
const UNSEEN: readonly Pin[] = ['text-prepared-statement', 'stored-function', 'unknown-statement'];

const PARENTHESIS = 0x28;

/** SET, which leaves nothing but what it names. */
function assignsPlainly({ pins, reason }: Classification): boolean {
  return reason === 'session-state' && pins.includes('user-variable');
}

/** No function of whose doings nobody knows is called without a parenthesis. */
function leavesVariablesOnly({ classification, text }: StatementEnd): boolean {
  if (classification.leavesNothing === true) return true;
  return assignsPlainly(classification) && text !== undefined && !text.includes(PARENTHESIS);
}

function isCarried(change: SessionChange): boolean {
  return change.kind !== 'system-variable' || !NOT_CARRIED.has(change.name);
}

/** What went with a primary connection that was lost: nothing that cannot be had again, a transaction, or state that nobody can restore. */
export type PrimaryLoss = 'nothing' | 'transaction' | 'state';

/**
 * What a client's session is in, whichever connections serve it. It changes only by {@link begin} and {@link end}:
 *
 * ```
 *  free ── a statement leaves something to ask for ──► held    reads may go to replicas
 *    ▲ ◄──────────── it is asked no more ──────────────┘
 *    └── transaction, autocommit=0, pins ────────────► bound   everything goes to the kept primary connection
 * ```
 */
export class Session {
  state: SessionState;
  /** Each with the reason that is shown. */
  readonly pins = new Reasons<Pin>();
  readonly holds = new Reasons<Hold>();
  lexMode: LexMode;
  /** Rows of the last result set, for FOUND_ROWS() where its connection has gone back. */
  foundRows = 0;
  /** ROW_COUNT() after the previous statement is -1: it gave rows, or failed. */
  rowCountIsUnset = false;
  readonly freshness: Freshness;
  /** LAST_INSERT_ID(), where the connection that had it was given up. */
  lastInsertId: string | undefined;
  /** What of the previous statement went with the connection that was given up. */
  previousLost: PreviousLeft = NOTHING_LEFT;
  #previousLeft: PreviousLeft = NOTHING_LEFT;
  /** LAST_INSERT_ID() went with the primary: whoever asks for it is told, once. */
  insertIdLost = false;
  readonly nextTransaction = new NextTransaction();
  readonly temporaryTables = new TemporaryTables();
  /** Few sessions ever have any. */
  #named: NamedThings | undefined;
  #status: number;
  /** The open transaction is a read-only one, on a replica. */
  #onReplica = false;
  readonly #baseline: ReadonlyMap<string, string>;
  readonly serverVersion: string;
  readonly #flavour: Flavour;

  /** @param baseline what a fresh connection of this session has, as far as it is known */
  constructor(
    schema: string,
    baseline: ReadonlyMap<string, string>,
    serverVersion: string,
    freshness = new Freshness('session', new Commits()),
  ) {
    this.freshness = freshness;
    this.state = freshState(schema);
    this.#baseline = baseline;
    this.serverVersion = serverVersion;
    this.#flavour = flavourOf(serverVersion);
    this.#status = baseline.get('autocommit') === 'OFF' ? 0 : ServerStatus.AUTOCOMMIT;
    this.lexMode = lexModeOf(this.state, baseline, serverVersion);
    this.#notePinOfState();
  }

  /** From when on reasons that come now hold. */
  set nowMs(nowMs: number) {
    this.pins.nowMs = nowMs;
    this.holds.nowMs = nowMs;
  }

  /** Server status flags, as a client without a statement under way is to see them. */
  get status(): number {
    return this.#status & ~ServerStatus.SESSION_STATE_CHANGED & ~ServerStatus.MORE_RESULTS_EXISTS;
  }

  get inTransaction(): boolean {
    return (this.#status & ServerStatus.IN_TRANS) !== 0;
  }

  /** A read-only transaction is open, on a replica. */
  get inReplicaTransaction(): boolean {
    return this.#onReplica;
  }

  get autocommit(): boolean {
    return (this.#status & ServerStatus.AUTOCOMMIT) !== 0;
  }

  /** Plain reads lock what they read. */
  get serializable(): boolean {
    return this.#characteristic('transaction_isolation', 'tx_isolation') === 'SERIALIZABLE';
  }

  /** Each read of a transaction sees what is there by then: there is no snapshot. */
  get readsCommitted(): boolean {
    const isolation = this.#characteristic('transaction_isolation', 'tx_isolation');
    return isolation === 'READ-COMMITTED' || isolation === 'READ-UNCOMMITTED';
  }

  /** Its transactions, single statements too, are to be read-only. */
  get readOnly(): boolean {
    return this.#characteristic('transaction_read_only', 'tx_read_only') === 'ON';
  }

  get #inPrimaryTransaction(): boolean {
    return !this.#onReplica && (this.inTransaction || !this.autocommit);
  }

  /** Whether the primary connection stays with the session between statements. */
  get keepsPrimary(): boolean {
    return this.#inPrimaryTransaction || this.pins.size > 0 || this.holds.size > 0;
  }

  /** Whether something would be lost with the primary connection that the client was promised. */
  get boundToPrimary(): boolean {
    return this.#inPrimaryTransaction || this.pins.size > 0 || this.holds.has('last-insert-id') || this.#holdsOwn;
  }

  /** Whether its next statement belongs to what is under way on the primary connection: it cannot wait, or move. */
  get mustGoOn(): boolean {
    return (!this.#onReplica && this.inTransaction) || this.pins.size > 0 || this.#holdsOwn;
  }

  /** A statement is about to run. @param asksPrevious it belongs to the statement before */
  begin(asksPrevious: boolean): void {
    if (asksPrevious) return;
    this.holds.delete('previous-statement');
    this.previousLost = NOTHING_LEFT;
    this.#previousLeft = NOTHING_LEFT;
  }

  /** Whether others may have the primary connection that is kept: all that would be missed can be set again, or is hardly asked for. */
  get mayGiveUpPrimary(): boolean {
    return !this.inTransaction && this.autocommit && this.pins.size === 0 && !this.leavesMore;
  }

  /** Whether something is on the primary connection that nobody can set again, although no pin says so. */
  get leavesMore(): boolean {
    return this.holds.has('procedure-call') || this.#holdsOwn;
  }

  /** What is known to be on the primary connection, and to matter to statements alone that name it. */
  get #holdsOwn(): boolean {
    return this.holds.has('temporary-table') || this.holds.has('user-variable');
  }

  /** Whether {@link end} is to be told the text of a statement: where what is known by name may come, go or change its name. */
  wantsText(classification: Classification): boolean {
    if (assignsPlainly(classification) || classification.pins.includes('role')) return true;
    return this.#isOfTables(classification) || concernsNamed(classification, this.pins);
  }

  #isOfTables({ reason }: Classification): boolean {
    if (reason === 'temporary-table') return true;
    return !this.temporaryTables.isEmpty && (reason === 'ddl' || reason === 'multi-statement');
  }

  /** The kept primary connection is given up. @param changes with which the server told LAST_INSERT_ID() */
  givenUp(changes: readonly SessionChange[]): void {
    for (const change of changes) {
      if (change.kind === 'system-variable' && change.name === 'last_insert_id') this.lastInsertId = change.value;
    }
    this.previousLost = this.#previousLeft;
    this.holds.clear();
  }

  /** The primary connection that was kept is gone, and with it what only it had. Where that is `state`, the session cannot go on. */
  primaryLost(): PrimaryLoss {
    if (this.#onReplica) return 'nothing';
    const lost = this.primaryLoss;
    if (lost === 'state') return lost;
    this.previousLost = this.#previousLeft;
    this.insertIdLost ||= this.holds.has('last-insert-id');
    this.holds.clear();
    this.#status &= ~(ServerStatus.IN_TRANS | ServerStatus.IN_TRANS_READONLY);
    this.#transactionEnded();
    return lost;
  }

  /** What would go with the primary connection. */
  get primaryLoss(): PrimaryLoss {
    const pins = this.pins.size - (this.pins.has('next-transaction') ? 1 : 0);
    if (pins > 0 || this.#holdsOwn) return 'state';
    return this.inTransaction || this.pins.has('next-transaction') ? 'transaction' : 'nothing';
  }

  /** The state after changes that a server tells of, as {@link end} would have it. */
  stateAfter(state: SessionState, changes: readonly SessionChange[]): SessionState {
    return changeState(state, changes.filter(isCarried), this.#baseline);
  }

  /** A read ended that changed nothing: what nearly every statement does. */
  readEnded(rows: number): void {
    this.rowCountIsUnset = true;
    this.foundRows = rows;
  }

  /** @returns whose reads have to see what the statement may have committed without telling what */
  end(end: StatementEnd): Untold | undefined {
    const wasInTransaction = this.inTransaction;
    const wasSpecial = (this.#status & ServerStatus.IN_TRANS_READONLY) !== 0 || this.pins.has('next-transaction');
    this.#learnStatus(end.role, end.status);
    const ended = wasInTransaction && !this.inTransaction;
    if (ended) this.#transactionEnded();
    const leavesSpecial = ended && wasSpecial && end.classification.reason === 'session-state';
    this.#changed(end);
    this.rowCountIsUnset = end.ok === undefined;
    if (end.rows !== undefined) this.foundRows = end.rows;
    if (end.role === 'replica') return undefined;

    if (leavesSpecial) {
      // SET autocommit=1 ends a transaction, and MySQL keeps what was special about it for the next one on that connection.
      this.pins.add('next-transaction');
      this.nextTransaction.disturb();
    }
    const asksNext = end.classification.pins.includes('next-transaction');
    if (!asksNext && this.pins.has('next-transaction')) this.nextTransaction.disturb();
    if (end.error === undefined) {
      for (const pin of end.classification.unpins) {
        this.pins.delete(pin);
        this.#named?.ended(pin);
      }
    }
    if (!refusedUnread(end)) {
      const known = this.#noteTemporaryTables(end);
      for (const pin of end.classification.pins) {
        if (pin === 'user-variable' && leavesVariablesOnly(end)) this.holds.add(pin);
        else if (pin === 'role' ? !this.#carriesRole(end) : pin !== 'temporary-table' || !known) this.pins.add(pin);
      }
      if (asksNext) {
        const said = end.error === undefined ? end.command : undefined;
        this.nextTransaction.add(end.classification.transaction, said);
      }
      this.#noteNamed(end);
    }
    // FOUND_ROWS() is of the last result: a later one that counts as any other has ended it.
    const gaveRows = this.rowCountIsUnset && end.error === undefined && !end.prepares;
    if (gaveRows && !end.classification.pins.includes('found-rows')) {
      this.pins.delete('found-rows');
    }
    const opaque = isOpaque(end.classification);
    if (opaque) this.holds.add('procedure-call');
    // LAST_INSERT_ID(n) sets it too, and reports nothing where it gives rows; a procedure's OK is silent on what it inserted.
    const sets = end.classification.reason === 'last-insert-id' && end.classification.target === 'primary';
    if (sets || opaque || end.insertsId || end.classification.reason === 'procedure-call') {
      this.holds.add('last-insert-id');
      this.insertIdLost = false;
    }
    const rowCount = (end.ok?.affectedRows ?? 0n) !== 0n;
    // SHOW WARNINGS is about what the statement before it left, and leaves that.
    const diagnostics = this.#previousLeft.diagnostics || end.error !== undefined || end.warnings > 0;
    this.#previousLeft = rowCount || diagnostics ? { rowCount, diagnostics } : NOTHING_LEFT;
    if (this.#previousLeft !== NOTHING_LEFT) this.holds.add('previous-statement');
    return untoldBy(end, wasInTransaction, this.inTransaction);
  }

  /** Changes that came with no statement of the client: what we asked for to know the session better. */
  learn(role: 'primary' | 'replica', changes: readonly SessionChange[], status: number | undefined): void {
    this.#learnStatus(role, status);
    for (const change of changes) this.#noteCommits(change);
    this.#setState(this.stateAfter(this.state, changes));
  }

  /** The read-only transaction is no more on its replica. @param goesOn it was opened anew on the primary */
  leftReplica(goesOn: boolean): void {
    this.#onReplica = false;
    if (goesOn) return;
    this.#status &= ~(ServerStatus.IN_TRANS | ServerStatus.IN_TRANS_READONLY);
    this.#transactionEnded();
  }

  /** SET ROLE. What was only prepared has not run. @returns whether the roles can be set on other connections too */
  #carriesRole({ text, error, prepares, classification }: StatementEnd): boolean {
    if (prepares) return true;
    if (text === undefined || error !== undefined || classification.reason === 'multi-statement') return false;
    const state = withRole(this.state, Buffer.from(text).toString('latin1'));
    if (state !== undefined) this.#setState(state);
    return state !== undefined;
  }

  /** Whether something may be on the primary connection that nobody has seen, and that COM_RESET_CONNECTION does not end. */
  get mayOutliveReset(): boolean {
    return this.holds.has('procedure-call') || UNSEEN.some((pin) => this.pins.has(pin));
  }

  /** COM_RESET_CONNECTION went through: everything but the schema, roles and FOUND_ROWS() is as after a login. */
  reset(status: number): void {
    this.freshness.reset();
    const left = RESET_LEAVES.filter((pin) => this.pins.has(pin));
    this.pins.clear();
    for (const pin of left) this.pins.add(pin);
    this.holds.clear();
    this.lastInsertId = undefined;
    this.previousLost = NOTHING_LEFT;
    this.#previousLeft = NOTHING_LEFT;
    this.insertIdLost = false;
    this.#status = status;
    this.#onReplica = false;
    this.nextTransaction.clear();
    this.temporaryTables.clear();
    this.#named = undefined;
    this.rowCountIsUnset = false;
    this.#setState(resetState(this.state));
    this.#notePinOfState();
  }

  /** Another user, or the same one anew. */
  changedUser(schema: string, status: number): void {
    this.reset(status);
    this.pins.delete('role');
    this.#setState(freshState(schema));
  }

  /** Of a replica's flags only those of a transaction say more than is known. */
  #learnStatus(role: 'primary' | 'replica', status: number | undefined): void {
    if (status === undefined) return;
    const opened = (status & ServerStatus.IN_TRANS) !== 0;
    if (role === 'replica' && !opened && !this.#onReplica) return;
    this.#status = status;
    this.#onReplica = role === 'replica' && opened;
  }

  /** @returns whether all temporary tables are known by their names */
  #noteTemporaryTables({ classification, text, error }: StatementEnd): boolean {
    const { temporaryTables, lexMode } = this;
    // What was only prepared has not run.
    if (text === undefined || !this.#isOfTables(classification)) return false;
    const known =
      classification.reason === 'multi-statement'
        ? !temporaryTables.mayRename(text, lexMode)
        : temporaryTables.ran(text, lexMode, this.state.schema, error !== undefined);
    if (!known) this.pins.add('temporary-table');
    if (temporaryTables.isEmpty) this.holds.delete('temporary-table');
    else this.holds.add('temporary-table');
    return known && classification.reason !== 'multi-statement';
  }

  #noteNamed({ classification, text, error, prepares }: StatementEnd): void {
    if (prepares || !concernsNamed(classification, this.pins)) return;
    this.#named ??= new NamedThings();
    const known = text === undefined ? undefined : Buffer.from(text).toString('latin1');
    for (const pin of this.#named.ran(known, classification, error !== undefined, this.lexMode)) this.pins.delete(pin);
  }

  #transactionEnded(): void {
    this.pins.delete('next-transaction');
    this.nextTransaction.clear();
  }

  #variable(name: string): string | undefined {
    return this.state.variables.get(name) ?? this.#baseline.get(name);
  }

  /** Asked for each read: the names are not put together each time. @param older MariaDB's */
  #characteristic(name: string, older: string): string | undefined {
    return this.#variable(name) ?? this.#variable(older);
  }

  #changed(end: StatementEnd): void {
    if (end.changes.length === 0) return;
    const { pins, unpins, reason } = end.classification;
    const isOfTables = this.#isOfTables(end.classification) && reason !== 'multi-statement';
    let explained = pins.length > 0 || unpins.length > 0 || isOfTables;
    let changed = false;
    for (const change of end.changes) {
      if (change.kind === 'schema') {
        explained = true;
        // It may be one that only these roles may use, and is chosen before they are set.
        if (hasRole(this.state)) this.pins.add('role');
      }
      if (change.kind === 'state-change') changed = true;
      this.#noteCommits(change);
      if (change.kind !== 'system-variable' || SAYS_NOTHING.has(change.name)) continue;
      explained = true;
      if (change.name.startsWith('session_track_')) this.pins.add('session-tracker');
      else if (NOT_CARRIED.has(change.name)) this.pins.add('one-shot-variable');
    }
    this.#setState(this.stateAfter(this.state, end.changes));
    // What a procedure changed may be more than the variables that are named.
    if (changed && (!explained || isOpaque(end.classification))) this.pins.add('unknown-state-change');
  }

  #noteCommits(change: SessionChange): void {
    const gtids = this.#flavour.commitsOf(change);
    if (gtids !== undefined) this.freshness.wrote(gtids);
  }

  #setState(state: SessionState): void {
    if (state === this.state) return;
    this.state = state;
    this.lexMode = lexModeOf(state, this.#baseline, this.serverVersion);
    this.#notePinOfState();
  }

  #notePinOfState(): void {
    if (isOracleMode(this.state, this.#baseline)) this.pins.add('oracle-mode');
    else this.pins.delete('oracle-mode');
  }
}
