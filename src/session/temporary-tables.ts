import type { LexMode } from '../classify/classification.js';
import type { KnownRoutines } from '../classify/known-routines.js';
import { namesIn } from '../classify/names.js';
import { readTableChange } from '../classify/temporary-table.js';

/** The temporary tables of a session, by schema and name: they are on its primary connection, and nowhere else. */
export class TemporaryTables {
  /** `schema.table`, as they were written. */
  readonly #tables = new Set<string>();
  /** Their names without the schema, in lower case. */
  #names: ReadonlySet<string> = new Set();

  get isEmpty(): boolean {
    return this.#tables.size === 0;
  }

  /**
   * A statement ran that may have made, dropped or renamed temporary tables.
   * @param schema the session's default one
   * @returns whether it is still known which there are
   */
  ran(sql: Uint8Array, mode: LexMode, schema: string, failed: boolean): boolean {
    const change = readTableChange(sql, mode);
    if (change === undefined) return !this.mayRename(sql, mode) && !namesIn(sql, 0, sql.length, mode).has('temporary');
    if (change.does === 'drop' && failed) return true;
    for (const { schema: own = Buffer.from(schema, 'utf8').toString('latin1'), table } of change.tables) {
      if (change.does === 'create') this.#tables.add(`${own}.${table}`);
      else this.#tables.delete(`${own}.${table}`);
    }
    this.#names = new Set([...this.#tables].map((it) => it.slice(it.indexOf('.') + 1).toLowerCase()));
    return true;
  }

  /** Only ALTER TABLE does. */
  mayRename(sql: Uint8Array, mode: LexMode): boolean {
    return this.isNamedIn(sql, mode) && namesIn(sql, 0, sql.length, mode).has('rename');
  }

  /** Whether a statement may be about one of them. @param readers names of what may read one unseen */
  isNamedIn(sql: Uint8Array, mode: LexMode, readers?: Pick<KnownRoutines, 'has'>): boolean {
    if (this.isEmpty) return false;
    const names = namesIn(sql, 0, sql.length, mode);
    for (const named of names) {
      if (readers?.has(named) === true) return true;
      if (this.#names.has(named) || this.#names.has(named.slice(named.indexOf('.') + 1))) return true;
    }
    return false;
  }

  clear(): void {
    this.#tables.clear();
    this.#names = new Set();
  }
}
