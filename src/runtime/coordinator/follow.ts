import type { Coordinator } from './coordinator.js';

/** Somebody else promotes (Group Replication, a cloud, Orchestrator, an operator), and the servers' own state shows whom. */
export class Follow implements Coordinator {
  readonly kind = 'follow';
  readonly leadership = undefined;
  readonly leader = undefined;
  readonly record = undefined;
  readonly problem = undefined;

  start(): Promise<void> {
    return Promise.resolve();
  }

  write(): Promise<boolean> {
    return Promise.resolve(false);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
