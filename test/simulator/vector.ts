import { GtidSet } from '../../src/topology/gtid-set.js';

/** Of each server's transactions, the first so many: all that a set can be where every binary log is read in its order. */
export type Vector = number[];

/** A transaction: the server that made it, and its number there, from 1 on. */
export type Tx = number;
const PER_SERVER = 65_536;

export function txOf(server: number, number: number): Tx {
  return server * PER_SERVER + number;
}

export function serverOf(tx: Tx): number {
  return Math.floor(tx / PER_SERVER);
}

export function numberOf(tx: Tx): number {
  return tx % PER_SERVER;
}

export function uuidOf(server: number): string {
  return `${String(server + 1).repeat(8)}-1111-1111-1111-111111111111`;
}

const SERVER_IDS = Array.from({ length: 9 }, (_, index) => uuidOf(index));

export function zeros(servers: number): Vector {
  return Array.from({ length: servers }, () => 0);
}

export function hasTx(vector: Vector, tx: Tx): boolean {
  return (vector[serverOf(tx)] ?? 0) >= numberOf(tx);
}

export function addTx(vector: Vector, tx: Tx): void {
  const server = serverOf(tx);
  const number = numberOf(tx);
  if ((vector[server] ?? 0) < number) vector[server] = number;
}

export function contains(all: Vector, part: Vector): boolean {
  for (let at = 0; at < part.length; at++) if ((all[at] ?? 0) < (part[at] ?? 0)) return false;
  return true;
}

export function unionOf(a: Vector, b: Vector): Vector {
  return a.map((it, at) => Math.max(it, b[at] ?? 0));
}

/** The set of a vector that only grows, made anew only when it has grown. */
export class SetOf {
  #sum = -1;
  #set: GtidSet = GtidSet.EMPTY;

  get(vector: Vector): GtidSet {
    let sum = 0;
    for (const number of vector) sum += number;
    if (sum !== this.#sum) {
      this.#sum = sum;
      this.#set = gtidSetOf(vector);
    }
    return this.#set;
  }
}

export function gtidSetOf(vector: Vector): GtidSet {
  const bySource = new Map<string, readonly { readonly first: number; readonly last: number }[]>();
  for (let at = 0; at < vector.length; at++) {
    const last = vector[at] ?? 0;
    if (last > 0) bySource.set(SERVER_IDS[at] ?? '', [{ first: 1, last }]);
  }
  return bySource.size === 0 ? GtidSet.EMPTY : new GtidSet(bySource);
}

/** Whether a server with `vector` has all of `set`. */
export function hasAll(vector: Vector, set: GtidSet): boolean {
  for (const uuid of set.sources()) {
    const last = set.intervals(uuid).at(-1)?.last ?? 0;
    if ((vector[Number(uuid[0]) - 1] ?? 0) < last) return false;
  }
  return true;
}
