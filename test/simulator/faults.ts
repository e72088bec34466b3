import type { SimCoordinator } from './coordinator.js';
import { SimStore } from './store.js';
import type { SimWorld } from './world.js';

/** Things that go wrong, and mostly are well again later. */
export class Faults {
  readonly #world: SimWorld;
  readonly #coordinators: readonly SimCoordinator[];
  #left: number;
  #isQuiet = false;
  /** Servers that never come back. */
  readonly gone = new Set<number>();
  #underWay = 0;

  constructor(world: SimWorld, coordinators: readonly SimCoordinator[], count: number) {
    this.#world = world;
    this.#coordinators = coordinators;
    this.#left = count;
    for (const it of coordinators) it.onStep = (what, node) => this.#maybeNow(what, node, it);
  }

  get areOver(): boolean {
    return this.#isQuiet && this.#underWay === 0;
  }

  /** From now on nothing new goes wrong. */
  end(): void {
    this.#isQuiet = true;
  }

  /** At some moment of the first seconds. */
  scheduleSome(withinMs: number): void {
    const { random, clock } = this.#world;
    for (let count = random.below(this.#left + 1); count > 0; count--) {
      clock.after(500 + random.below(withinMs), () => this.#one(this.#anyServer(), undefined));
    }
  }

  /** The moments that matter are those at which something is done. */
  #maybeNow(what: string, node: string | undefined, by: SimCoordinator): void {
    const { random, clock } = this.#world;
    if (this.#isQuiet || random.below(12) > 0) return;
    const server = node === undefined || random.below(3) === 0 ? this.#anyServer() : this.#world.idOf(node);
    clock.after(random.below(3) === 0 ? random.below(60) : 0, () => this.#one(server, by));
    this.#world.note(() => `(a fault at ${what})`);
  }

  /** The primary more often than others: without it there is more to do. */
  #anyServer(): number {
    const { random, servers, store } = this.#world;
    return random.below(2) === 0 ? (store.record?.server ?? 0) : random.below(servers.length);
  }

  #one(server: number, by: SimCoordinator | undefined): void {
    if (this.#isQuiet || this.#left === 0) return;
    this.#left--;
    const { random, servers, storeId } = this.#world;
    const target = servers[server];
    const coordinator = by ?? this.#coordinators[random.below(this.#coordinators.length)];
    if (target === undefined || coordinator === undefined) return;
    const lastsMs = 100 + random.below(random.below(3) === 0 ? 8_000 : 1_500);
    switch (random.below(9)) {
      case 0:
      case 1:
        return this.#crash(server, lastsMs);
      case 2:
        if (!target.up || target.hung) return;
        target.hang();
        if (!this.#isForGood(server)) this.#later(`db${server + 1} hangs`, lastsMs, () => target.goOn());
        return;
      case 3:
        return this.#cutOff(`db${server + 1} is cut off from all`, server, lastsMs, () => true);
      case 4:
        return this.#cutOff(`db${server + 1} is cut off from some`, server, lastsMs, () => random.below(2) === 0);
      case 5:
        return this.#cut(`${coordinator.id} cannot reach db${server + 1}`, [[coordinator.id, server]], lastsMs);
      case 6:
        return this.#cut(`${coordinator.id} cannot reach the store`, [[coordinator.id, storeId]], lastsMs);
      case 7:
        if (!coordinator.up) return;
        coordinator.stop();
        return this.#later(`coordinator ${coordinator.id} crashes`, lastsMs, () => coordinator.start(undefined));
      case 8:
        return this.#pause(coordinator, random.below(2) === 0 ? lastsMs : SimStore.TTL_MS + random.below(2_000));
    }
  }

  #pause(coordinator: SimCoordinator, lastsMs: number): void {
    coordinator.pausedUntilMs = this.#world.clock.nowMs + lastsMs;
    this.#later(`coordinator ${coordinator.id} stands still`, lastsMs, () => {});
  }

  #crash(server: number, lastsMs: number): void {
    const target = this.#world.servers[server];
    if (target === undefined || !target.up) return;
    target.crash();
    if (!this.#isForGood(server)) this.#later(`db${server + 1} crashes`, lastsMs, () => target.restart());
  }

  /** One server may never come back. */
  #isForGood(server: number): boolean {
    if (this.gone.size > 0 || this.#world.random.below(4) > 0) return false;
    this.gone.add(server);
    this.#world.note(() => `! db${server + 1} is gone`);
    return true;
  }

  #cutOff(what: string, server: number, lastsMs: number, from: (other: number) => boolean): void {
    const pairs: (readonly [number, number])[] = [];
    for (let other = 0; other < this.#world.storeId; other++) {
      if (other !== server && from(other)) pairs.push([server, other]);
    }
    this.#cut(what, pairs, lastsMs);
  }

  #cut(what: string, pairs: readonly (readonly [number, number])[], lastsMs: number): void {
    const { network } = this.#world;
    for (const [a, b] of pairs) network.cut(a, b, 1);
    this.#later(what, lastsMs, () => {
      for (const [a, b] of pairs) network.cut(a, b, -1);
    });
  }

  #later(what: string, lastsMs: number, mend: () => void): void {
    this.#underWay++;
    this.#world.note(() => `! ${what}, for ${lastsMs} ms`);
    this.#world.clock.after(lastsMs, () => {
      this.#underWay--;
      this.#world.note(() => `! over: ${what}`);
      mend();
    });
  }
}
