import type { CheckSettings } from './facts.js';

/** Whether anybody promotes: else nothing is asked of servers that only a promotion needs. */
export function promotes({ coordinator }: CheckSettings): boolean {
  return coordinator !== 'follow';
}
