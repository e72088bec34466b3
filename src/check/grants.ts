/** `GRANT A, B ON X TO …`: what, and on what. Columns in parentheses make it less than the whole: those are left out. */
const GRANT = /^GRANT (.+?) ON (?:TABLE )?(\S+) TO /i;

/** What an account may do, as `SHOW GRANTS` tells it: roles that are active are in there. */
export class Grants {
  readonly #on = new Map<string, Set<string>>();

  constructor(lines: readonly string[]) {
    for (const line of lines) {
      const [, list, where] = GRANT.exec(line) ?? [];
      if (list === undefined || where === undefined) continue;
      const place = where.replace(/[`\\]/g, '').toLowerCase();
      const found = this.#on.get(place) ?? new Set<string>();
      for (const privilege of list.split(',')) found.add(privilege.trim().toUpperCase());
      this.#on.set(place, found);
    }
  }

  /** @param on `*.*`, `schema.*` or `schema.table`: what is granted for more counts, too */
  has(privilege: string, on = '*.*'): boolean {
    const [schema = '*'] = on.split('.');
    const places = new Set([on, `${schema}.*`, '*.*']);
    return [...places].some((place) => {
      const granted = this.#on.get(place);
      if (granted === undefined) return false;
      // Dynamic privileges are no part of ALL where it stands for one schema.
      return granted.has(privilege) || granted.has('ALL PRIVILEGES') || granted.has('ALL');
    });
  }
}
