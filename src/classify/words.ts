import { NAME_BYTE } from './byte-class.js';

/**
 * All words that mean something to the classifier, each with a small number. Words are entered while the modules load and
 * never after, so that the table is fixed before the first statement. Looking a word up compares bytes; no string is made.
 */
export const MAX_WORDS = 2048;

const SLOTS = 8192;
const slots = new Uint16Array(SLOTS);
const hashes = new Int32Array(MAX_WORDS);
const spellings: Uint8Array[] = [new Uint8Array(0)];
const numbers = new Map<string, number>();

export function hashStep(hash: number, upperCaseByte: number): number {
  return (Math.imul(hash, 31) + upperCaseByte) | 0;
}

function firstSlot(hash: number): number {
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}

/** The number of a word, written here in upper case; 0 is no word's number. */
export function word(name: string): number {
  const known = numbers.get(name);
  if (known !== undefined) return known;
  const id = spellings.length;
  if (id >= MAX_WORDS) throw new RangeError('MAX_WORDS is too small');
  const bytes = Uint8Array.from(name, (character) => character.charCodeAt(0));
  const hash = bytes.reduce(hashStep, 0);
  let slot = firstSlot(hash);
  while (slots[slot] !== 0) slot = (slot + 1) & (SLOTS - 1);
  slots[slot] = id;
  hashes[id] = hash;
  spellings.push(bytes);
  numbers.set(name, id);
  return id;
}

/** The words of a text separated by white space. */
export function words(names: string): number[] {
  return names.trim().split(/\s+/).map(word);
}

/** The number of the word at `start`, in any case, or 0. `hash` is that of its bytes in upper case. */
export function findWord(sql: Uint8Array, start: number, stop: number, hash: number): number {
  let slot = firstSlot(hash);
  for (;;) {
    const id = slots[slot] ?? 0;
    if (id === 0) return 0;
    if (hashes[id] === hash && matches(spellings[id], sql, start, stop)) return id;
    slot = (slot + 1) & (SLOTS - 1);
  }
}

function matches(spelling: Uint8Array | undefined, sql: Uint8Array, start: number, stop: number): boolean {
  if (spelling === undefined || spelling.length !== stop - start) return false;
  for (let i = 0; i < spelling.length; i += 1) {
    if (spelling[i] !== NAME_BYTE[sql[start + i] ?? 0]) return false;
  }
  return true;
}
