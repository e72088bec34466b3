import type { StatementCache } from '../../src/classify/statement-cache.js';
import { ServerStatus } from '../../src/protocol/server-status.js';
import { routeStatement, type Route } from '../../src/routing/route.js';
import { Session } from '../../src/session/session.js';
import { COMMAND_CLASS } from '../command-classes.js';
import { textEffects } from './text-effects.js';

/**
 * A connection of a general query log, followed as a client's session. The log tells neither what the server answered nor
 * whether a statement failed: each is taken to have done what its text says.
 */
export class LogSession {
  readonly #session: Session;
  readonly #cache: StatementCache;
  /** The statement before ran another one by its name, which the log has too. */
  #ranByName = false;

  constructor(baseline: ReadonlyMap<string, string>, version: string, cache: StatementCache) {
    this.#session = new Session('', baseline, version);
    this.#cache = cache;
  }

  /** @param argument of a command in the log @returns where the statement goes, if it is one */
  take(command: string, argument: Buffer): Route['to'] | undefined {
    switch (command) {
      case 'Connect':
        this.#use(/ on (\S+) using /.exec(argument.toString('latin1'))?.[1]);
        return undefined;
      case 'Init DB':
        this.#use(argument.toString('utf8'));
        return undefined;
      case 'Reset Connection':
        this.#session.reset(ServerStatus.AUTOCOMMIT);
        return undefined;
      case 'Query':
        this.#ranByName = false;
        return this.#run(argument);
      case 'Execute':
        return this.#ranByName ? undefined : this.#run(argument);
      default:
        return undefined;
    }
  }

  #use(schema: string | undefined): void {
    if (schema !== undefined) this.#session.learn('primary', [{ kind: 'schema', name: schema }], undefined);
  }

  #run(sql: Buffer): Route['to'] | undefined {
    const session = this.#session;
    const { classification: text, digest } = this.#cache.lookup(sql, 0, sql.length, session.lexMode);
    if (digest === undefined) return undefined;
    const isTemporary = text.target === 'replica' && session.temporaryTables.isNamedIn(sql, session.lexMode);
    const classification = isTemporary ? COMMAND_CLASS.temporaryTable : text;
    const route = routeStatement(session, classification);
    digest.ran('', route.to, route.reason);
    this.#ranByName = classification.reason === 'text-prepared-statement';
    const { status, changes } = textEffects(sql, classification, session);
    const unknown = { ok: undefined, insertsId: false, error: undefined, warnings: 0, rows: 0, tellsCommits: true };
    session.begin(route.to === 'previous');
    if (session.inReplicaTransaction && route.to !== 'transaction') session.leftReplica(true);
    const role = route.to === 'replica' || route.to === 'transaction' ? 'replica' : 'primary';
    session.end({ role, classification, status, changes, command: sql, prepares: false, text: sql, ...unknown });
    return route.to;
  }
}
