import { describe, expect, test } from 'vitest';
import { MYSQL } from '../../../src/flavour/mysql.js';

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const B = '4e11fa47-71ca-11e1-9e33-c80aa9429562';

describe('what MySQL is committing', () => {
  test('is told with the threads that do so', () => {
    expect(MYSQL.parseCommitted(`${A}:5#12:6#13,\n${B}:7#14`)?.toString()).toBe(`${A}:5-6,${B}:7`);
  });

  test('is nothing most of the time', () => {
    expect(MYSQL.parseCommitted('')?.isEmpty).toBe(true);
  });
});
