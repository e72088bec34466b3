import type { Command } from '../../src/failover/task.js';
import type { SimServer } from './server.js';
import { gtidSetOf, hasAll } from './vector.js';
import type { SimWorld } from './world.js';

/** @param why why it was refused; undefined for no reason */
export type Reply = (why: string | undefined) => void;

const POLL_MS = 40;

/**
 * What a server does with a command that has come to it. It may take its time, and never answers where it crashes meanwhile.
 * @param isEnded whether its session has been ended: what waits goes on no more
 */
export function execute(
  server: SimServer,
  command: Command,
  world: SimWorld,
  isEnded: () => boolean,
  reply: Reply,
): void {
  switch (command.kind) {
    case 'wait-executed':
      return waitExecuted(server, command, world, world.clock.nowMs + command.timeoutMs, reply);
    case 'close-for-writes':
      if (server.readOnly) return reply(undefined);
      server.closing = true;
      return closeForWrites(server, world, world.clock.nowMs + command.waitS * 1_000, isEnded, reply);
    case 'journal': {
      if (!server.takesWrites) return reply('it is read-only');
      const id = world.idOf(command.node);
      return server.write(() => reply(undefined), { epoch: command.epoch, server: id });
    }
    case 'stop-receiving':
    case 'stop-replica':
    case 'follow':
      return whenNotStopping(server, world, isEnded, () =>
        server.stopReceiverThen(() => {
          // What was begun is ended, whoever waits for it; what is behind it is not begun.
          if (command.kind !== 'follow' || !isEnded()) reply(atOnce(server, command, world));
        }),
      );
    case 'start-receiving':
    case 'start-replica':
    case 'forget-source':
      return whenNotStopping(server, world, isEnded, () => reply(atOnce(server, command, world)));
    default:
      return reply(atOnce(server, command, world));
  }
}

/** One word about a receiver after another. */
function whenNotStopping(server: SimServer, world: SimWorld, isEnded: () => boolean, run: () => void): void {
  if (!server.isStopping) return run();
  const { incarnation } = server;
  world.clock.after(POLL_MS, () => {
    if (server.incarnation !== incarnation || isEnded()) return;
    server.whenRunning(() => whenNotStopping(server, world, isEnded, run));
  });
}

type Lasting = 'wait-executed' | 'close-for-writes' | 'journal';

function atOnce(
  server: SimServer,
  command: Exclude<Command, { readonly kind: Lasting }>,
  world: SimWorld,
): string | undefined {
  switch (command.kind) {
    case 'stop-receiving':
      server.stopReceiver();
      return undefined;
    case 'start-receiving':
      if (server.source === undefined) return 'it has no source';
      server.startReceiver();
      return undefined;
    case 'read-position':
      return undefined;
    case 'stop-replica':
      server.stopReceiver();
      server.applies = false;
      return undefined;
    case 'start-replica':
      if (server.source === undefined) return 'it has no source';
      startApplier(server);
      server.startReceiver();
      return undefined;
    case 'forget-source':
      if (server.receiver !== 'off' || server.applies) return 'it replicates';
      server.forgetSource();
      return undefined;
    case 'follow':
      return follow(server, world.idOf(command.host), command.anew);
    case 'assert-executed':
      return hasAll(server.executed, command.gtids) ? undefined : 'it lacks transactions';
    case 'assert-nothing-else':
      return command.gtids.contains(gtidSetOf(server.executed)) ? undefined : 'it has transactions of its own';
    case 'semi-sync-source':
      if (!server.hasSemiSync) return 'it has no such variable';
      server.semiSource = command.on;
      if (command.on) server.semiCount = command.acknowledgements;
      server.settle();
      return undefined;
    case 'semi-sync-replica':
      if (!server.hasSemiSync) return 'it has no such variable';
      server.semiReplica = command.on;
      return undefined;
    case 'end-transactions':
      server.endClients();
      return undefined;
    case 'open-for-writes':
      server.readOnly = false;
      world.opened(server);
      return undefined;
    case 'persist-closed':
    case 'rotate-log':
      return undefined;
    case 'offline':
      server.offline = command.on;
      if (command.on) server.endClients();
      return undefined;
    case 'clone':
      return 'it is not cloned here';
  }
}

function follow(server: SimServer, source: number, anew: boolean): string | undefined {
  if (!anew && server.source === undefined) return 'it has no source';
  if (anew) {
    server.stopReceiver();
    server.applies = false;
  }
  server.follow(source);
  if (anew) startApplier(server);
  server.startReceiver();
  return undefined;
}

function startApplier(server: SimServer): void {
  server.applies = server.applierError === '';
  server.applySoon();
}

function waitExecuted(
  server: SimServer,
  command: Extract<Command, { readonly kind: 'wait-executed' }>,
  world: SimWorld,
  untilMs: number,
  reply: Reply,
): void {
  if (hasAll(server.executed, command.gtids)) return reply(undefined);
  if (world.clock.nowMs >= untilMs) return reply('it has not applied all in time');
  const { incarnation } = server;
  world.clock.after(POLL_MS, () => {
    if (server.incarnation === incarnation) waitExecuted(server, command, world, untilMs, reply);
  });
}

/** It waits for what commits, which waits for acknowledgements. */
function closeForWrites(
  server: SimServer,
  world: SimWorld,
  untilMs: number,
  isEnded: () => boolean,
  reply: Reply,
): void {
  if (isEnded()) {
    server.closing = false;
    return;
  }
  if (server.waiting === 0) {
    server.readOnly = true;
    server.isClosedByStart = false;
    server.closing = false;
    return reply(undefined);
  }
  if (world.clock.nowMs >= untilMs) {
    server.closing = false;
    return reply('lock wait timeout exceeded');
  }
  const { incarnation } = server;
  world.clock.after(POLL_MS, () => {
    if (server.incarnation === incarnation)
      server.whenRunning(() => closeForWrites(server, world, untilMs, isEnded, reply));
  });
}
