import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GtidSet } from '../../../src/topology/gtid-set.js';

const A = '11111111-2222-3333-4444-555555555555';
const B = 'aaaaaaaa-2222-3333-4444-555555555555';

function parse(text: string): GtidSet {
  const set = GtidSet.parse(text);
  if (set === undefined) throw new Error(`no set: ${text}`);
  return set;
}

describe('a set of GTIDs', () => {
  test('is read as servers write it: line feeds, several intervals, tags, capitals', () => {
    const text = `${A.toUpperCase()}:1-5:7,\n${B}:3,\n${A}:audit:1-2:9`;
    expect(String(parse(text))).toBe(`${A}:1-5:7,${B}:3,${A}:audit:1-2:9`);
    expect(parse(text).count).toBe(10);
  });

  test('joins intervals that touch', () => {
    expect(String(parse(`${A}:5-6,${A}:1-4:8`))).toBe(`${A}:1-6:8`);
  });

  test('of no text is empty', () => {
    expect(parse('').isEmpty).toBe(true);
    expect(parse(`${A}:1`).contains(parse(''))).toBe(true);
  });

  test.each(['x', `${A}:2-1`, `${A}:1-`, `${A}:-1`, '0-1-5'])('is not made of %s', (text) => {
    expect(GtidSet.parse(text)).toBeUndefined();
  });

  test('knows the tag from its source', () => {
    expect(parse(`${A}:1-5`).contains(parse(`${A}:t:1`))).toBe(false);
    expect(parse(`${A}:1-5`).sharesSourceWith(parse(`${B}:1`))).toBe(false);
  });
});

describe('what holds of all sets', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 20 });
  const setOf = (a: readonly number[], b: readonly number[]): GtidSet =>
    parse([...a.map((n) => `${A}:${n}`), ...b.map((n) => `${B}:${n}`)].join(','));

  test('union, difference and contains are those of the numbers', () => {
    fc.assert(
      fc.property(numbers, numbers, numbers, (x, y, z) => {
        const left = setOf(x, y);
        const right = setOf(z, y);
        const together = left.union(right);
        expect(together.count).toBe(new Set([...x, ...z]).size + y.length);
        expect(together.contains(left) && together.contains(right)).toBe(true);
        const rest = left.subtract(right);
        expect(rest.count).toBe(x.filter((n) => !z.includes(n)).length);
        expect(right.contains(left)).toBe(rest.isEmpty);
        expect(String(parse(String(together)))).toBe(String(together));
      }),
    );
  });
});
