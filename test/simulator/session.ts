import type { Command, Position, Task, TaskEnd } from '../../src/failover/task.js';
import { execute } from './execute.js';
import { gtidSetOf } from './vector.js';
import type { SimWorld } from './world.js';

/** What may be begun, and as whom. */
export interface Leading {
  readonly epoch: number;
  mayGoOn(): boolean;
}

export type Ended = TaskEnd | { readonly kind: 'deposed' };

const STATEMENT_MS = 1_000;
/** A receiver may be connecting to what gives no answer. */
const STOP_MS = 4_000;
/** A command that is lost on the way may come all the same, so much later. */
const STRAY_MS = 6_000;
const STRAY_POLL_MS = 150;
const SESSIONS_PER_EPOCH = 100_000;

/** One coordinator's session to one server: commands one after another. What becomes of one that has no answer nobody knows. */
export class SimSession {
  readonly #world: SimWorld;
  readonly #coordinator: number;
  readonly #server: number;
  /** Runs what is to happen at the coordinator, unless that is down by then. */
  readonly #at: (run: () => void) => void;
  readonly #queue: ((done: () => void) => void)[] = [];
  #busy = false;
  #number = 0;
  #isOpen = false;

  constructor(world: SimWorld, coordinator: number, server: number, at: (run: () => void) => void) {
    this.#world = world;
    this.#coordinator = coordinator;
    this.#server = server;
    this.#at = at;
  }

  run(task: Task, leading: Leading, done: (end: Ended) => void): void {
    const { name, node } = task;
    let position: Position | undefined;
    const end = (it: TaskEnd): void => done(leading.mayGoOn() ? it : { kind: 'deposed' });
    const step = (at: number): void => {
      const command = task.commands[at];
      if (command === undefined) return end({ kind: 'done', task: name, node, position });
      const failed = (why: string, unknown: boolean): void =>
        end({ kind: 'failed', task: name, node, command: command.kind, why, unknown });
      if (!leading.mayGoOn()) return done({ kind: 'deposed' });
      this.#say(command, leading, (why, unknown, read) => {
        position = read ?? position;
        if (why === undefined) step(at + 1);
        else failed(why, unknown);
      });
    };
    step(0);
  }

  #say(
    command: Command,
    leading: Leading,
    done: (why: string | undefined, unknown: boolean, position: Position | undefined) => void,
  ): void {
    this.#queue.push((next) => {
      // It may have waited for others.
      if (!leading.mayGoOn()) {
        next();
        return done('it does not lead any more', false, undefined);
      }
      let isOver = false;
      const over = (why: string | undefined, unknown: boolean, position?: Position): void => {
        if (isOver) return;
        isOver = true;
        if (unknown) this.#isOpen = false;
        next();
        done(why, unknown, position);
      };
      const { clock } = this.#world;
      clock.after(timeoutOf(command), () => this.#at(() => over('timed out', true)));
      this.#send(command, leading.epoch, (why, unknown, position) => {
        clock.after(this.#world.delay(8), () => {
          if (this.#world.network.reaches(this.#coordinator, this.#server))
            this.#at(() => over(why, unknown, position));
        });
      });
    });
    if (!this.#busy) this.#next();
  }

  #next(): void {
    const first = this.#queue.shift();
    this.#busy = first !== undefined;
    first?.(() => this.#next());
  }

  #send(
    command: Command,
    epoch: number,
    reply: (why: string | undefined, unknown: boolean, position: Position | undefined) => void,
  ): void {
    const world = this.#world;
    const server = world.servers[this.#server];
    if (server === undefined) return;
    if (!this.#isOpen) this.#number++;
    this.#isOpen = true;
    const session = epoch * SESSIONS_PER_EPOCH + this.#number;
    const { incarnation } = server;
    const arrive = (): void => {
      if (!server.up || server.incarnation !== incarnation) return reply('connection lost', true, undefined);
      server.whenRunning(() => {
        const { endsSessions } = world.environment;
        if (endsSessions !== 'none') {
          if (session < server.oldestSession) return reply('this session was ended', true, undefined);
          server.oldestSession = endsSessions === 'all' ? session : epoch * SESSIONS_PER_EPOCH;
        }
        world.note(() => `  db${server.id + 1} by ${this.#coordinator}: ${command.kind}`);
        execute(
          server,
          command,
          world,
          () => session < server.oldestSession,
          (why) => {
            const position =
              command.kind === 'read-position'
                ? { executed: gtidSetOf(server.executed), received: gtidSetOf(server.received) }
                : undefined;
            reply(why, false, position);
          },
        );
      });
    };
    world.clock.after(world.delay(8), () => {
      if (world.network.reaches(this.#coordinator, this.#server)) arrive();
      else if (world.random.below(2) === 0) this.#stray(arrive, world.clock.nowMs + STRAY_MS);
    });
  }

  #stray(arrive: () => void, untilMs: number): void {
    const { clock, network } = this.#world;
    clock.after(STRAY_POLL_MS, () => {
      if (network.reaches(this.#coordinator, this.#server)) arrive();
      else if (clock.nowMs < untilMs) this.#stray(arrive, untilMs);
    });
  }
}

function timeoutOf(command: Command): number {
  if (command.kind === 'wait-executed') return command.timeoutMs + STATEMENT_MS;
  if (command.kind === 'stop-receiving' || command.kind === 'stop-replica') return STOP_MS;
  return command.kind === 'close-for-writes' ? command.waitS * 1_000 + STATEMENT_MS : STATEMENT_MS;
}
