import { describe, expect, test } from 'vitest';
import { CASES } from './corpus.js';
import { summary } from './modes.js';

describe('a statement has the class that the server would give it', () => {
  describe.each(CASES)('$name', ({ expected, statements }) => {
    test.each(statements)('%j', (sql) => {
      expect(summary(sql)).toBe(expected);
    });
  });
});
