import type { EventEmitter } from 'node:events';

/**
 * Has `target` tell what `source` tells, from the first listener on. Nearly no application listens, and telling nobody costs something with each
 * statement.
 */
export function forwardEvents<T>(source: EventEmitter, target: EventEmitter, events: readonly string[]): void {
  const waiting = new Set(events);
  const forward = (event: string): void => {
    if (waiting.delete(event)) source.on(event, (...told: T[]) => target.emit(event, ...told));
  };
  for (const event of events) if (target.listenerCount(event) > 0) forward(event);
  if (waiting.size > 0) target.on('newListener', forward);
}
