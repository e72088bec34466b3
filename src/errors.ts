import type { ErrPacket } from './protocol/packets/err.js';

/** How a failure is logged. */
type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What became of the statement. `unknown` is never sent again for the user. */
export type Outcome = 'not-executed' | 'executed' | 'unknown';

interface ErrorKind {
  /** What the client gets. Source: MySQL's error message reference, where MySQL has the case too. */
  readonly errno: number;
  readonly sqlState: string;
  readonly outcome: Outcome;
  readonly logLevel: LogLevel;
  /** MySQL has the very case, and its words are sent: they do not bear our name. */
  readonly inMysqlWords?: true;
}

/** Every error that we raise ourselves. Errors of a server go to the client as they are. */
const ERRORS = {
  /** No writable server is known; the statement needs one. */
  'no-primary': { errno: 1105, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'error' },
  /** More than one server takes writes: none is trusted. */
  'several-primaries': { errno: 1105, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'error' },
  /** A connection to a server could not be made. */
  'server-unreachable': { errno: 2003, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  /** All connections to a server were in use for too long. */
  'pool-exhausted': { errno: 1040, sqlState: '08004', outcome: 'not-executed', logLevel: 'warn' },
  /** No replica can take reads, and the primary has as many of them as it may. */
  'primary-busy': { errno: 1040, sqlState: '08004', outcome: 'not-executed', logLevel: 'warn' },
  /** A server connection ended while a statement ran there. */
  'server-lost': { errno: 2013, sqlState: 'HY000', outcome: 'unknown', logLevel: 'warn' },
  /** A server connection ended that held a session's state: the session ends with it. */
  'session-lost': { errno: 2013, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  /** The server of a transaction went away before its COMMIT. Nothing was written; MySQL's code for a deadlock makes clients begin anew. */
  'transaction-lost': { errno: 1213, sqlState: '40001', outcome: 'not-executed', logLevel: 'warn' },
  /** A session's state could not be laid on another connection. */
  'state-not-restored': { errno: 1105, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  /** The connection with what the previous statement left was needed by another client, or its server is being drained. */
  'previous-lost': { errno: 1105, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  /** A server wants a way to log in that we do not have. */
  'auth-plugin': { errno: 2059, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  /** TLS is demanded, and one side does not do it. */
  'tls-required': { errno: 3159, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  /** A server cannot answer as the client was told that servers would. */
  'answer-format': { errno: 1105, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  /** A peer sent bytes that are not the protocol's. */
  'malformed-packet': { errno: 1835, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'info' },
  'packets-out-of-order': { errno: 1156, sqlState: '08S01', outcome: 'not-executed', logLevel: 'info' },
  'packet-too-large': { errno: 1153, sqlState: '08S01', outcome: 'not-executed', logLevel: 'info' },
  /** The client did not log in in time. */
  'login-timeout': { errno: 1159, sqlState: '08S01', outcome: 'not-executed', logLevel: 'info' },
  'unknown-command': {
    errno: 1047,
    sqlState: '08S01',
    outcome: 'not-executed',
    logLevel: 'debug',
    inMysqlWords: true,
  },
  'unknown-statement-id': {
    errno: 1243,
    sqlState: 'HY000',
    outcome: 'not-executed',
    logLevel: 'debug',
    inMysqlWords: true,
  },
  /** A command is shorter than it has to be. */
  'malformed-command': {
    errno: 1835,
    sqlState: 'HY000',
    outcome: 'not-executed',
    logLevel: 'info',
    inMysqlWords: true,
  },
  'too-many-statements': { errno: 1461, sqlState: '42000', outcome: 'not-executed', logLevel: 'info' },
  'access-denied': { errno: 1045, sqlState: '28000', outcome: 'not-executed', logLevel: 'info' },
  /** By a KILL of the client's statement. */
  interrupted: { errno: 1317, sqlState: '70100', outcome: 'unknown', logLevel: 'debug', inMysqlWords: true },
  /** A SET of the proxy's own takes no such value. */
  'bad-setting': { errno: 1231, sqlState: '42000', outcome: 'not-executed', logLevel: 'info' },
  /** A command to a node that is not there, or that cannot do without it. */
  'bad-command': { errno: 1210, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'info' },
  /** What other users run is shown to the monitor's account only. */
  'admin-only': { errno: 1227, sqlState: '42000', outcome: 'not-executed', logLevel: 'info' },
  /** A user has more clients than the configuration allows. */
  'too-many-of-user': { errno: 1203, sqlState: '42000', outcome: 'not-executed', logLevel: 'info' },
  /** What the client sent last is too long ago. */
  'idle-timeout': { errno: 4031, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'info' },
  /** Clients have sent more than the proxy can hold. */
  'out-of-memory': { errno: 1041, sqlState: 'HY000', outcome: 'not-executed', logLevel: 'warn' },
  'too-many-clients': { errno: 1040, sqlState: '08004', outcome: 'not-executed', logLevel: 'warn' },
  'shutting-down': { errno: 1053, sqlState: '08S01', outcome: 'not-executed', logLevel: 'info' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An error of ours: says what happened, to which node, and what to do. */
export class RwsplitError extends Error {
  override readonly name = 'RwsplitError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get outcome(): Outcome {
    return ERRORS[this.code].outcome;
  }

  get logLevel(): LogLevel {
    return ERRORS[this.code].logLevel;
  }

  /** What a MySQL client gets. */
  toErrPacket(): ErrPacket {
    const { errno, sqlState, inMysqlWords }: ErrorKind = ERRORS[this.code];
    return { errno, sqlState, message: inMysqlWords === true ? this.message : `rwsplit: ${this.message}` };
  }
}

/** What a KILL of a statement answers to who had it run. */
export function interrupted(): RwsplitError {
  return new RwsplitError('interrupted', 'Query execution was interrupted');
}

/** A server refused a login. The client gets the server's own words. */
export class LoginRefused extends Error {
  override readonly name = 'LoginRefused';
  readonly packet: ErrPacket;

  constructor(packet: ErrPacket) {
    super(packet.message);
    this.packet = packet;
  }
}

/** What a client gets for `error`, whatever it is. */
export function errPacketOf(error: unknown): ErrPacket {
  if (error instanceof RwsplitError) return error.toErrPacket();
  if (error instanceof LoginRefused) return error.packet;
  return { errno: 1105, sqlState: 'HY000', message: `rwsplit: internal error: ${String(error)}` };
}
