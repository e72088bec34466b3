/**
 * Shows the type checker what mysql2's types hide, or leave out. Nothing is checked: where this stands, what is said has to be true of
 * mysql2's run time.
 */
export function seenAs<T>(value: unknown): T {
  return value as T;
}
