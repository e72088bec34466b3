import type { ResultSet } from './result-set.js';

/** How often statements, and other commands, ran on a node for a reason. */
export interface RouteCount {
  readonly node: string;
  readonly target: string;
  readonly reason: string;
  readonly statements: number;
}

/** `SHOW RWSPLIT ROUTES`: how many statements ran where and why, most first. */
export function showRoutes(counts: readonly RouteCount[]): ResultSet {
  return {
    columns: [
      { name: 'node', type: 'text' },
      { name: 'target', type: 'text' },
      { name: 'reason', type: 'text' },
      { name: 'count', type: 'integer' },
    ],
    rows: counts.map(({ node, target, reason, statements }) => [node, target, reason, statements]),
  };
}
