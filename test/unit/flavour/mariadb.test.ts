import { describe, expect, test } from 'vitest';
import { flavourOf } from '../../../src/flavour/flavour-of.js';
import { MARIADB } from '../../../src/flavour/mariadb.js';
import { MYSQL } from '../../../src/flavour/mysql.js';
import { Commits } from '../../../src/session/commits.js';
import { GtidSet } from '../../../src/topology/gtid-set.js';

const told = (value: string) => MARIADB.commitsOf({ kind: 'system-variable', name: 'last_gtid', value });

test('the make of a server is in its version', () => {
  expect(flavourOf('5.5.5-10.11.19-MariaDB-0+deb12u1')).toBe(MARIADB);
  expect(flavourOf('11.8.3-MariaDB')).toBe(MARIADB);
  expect(flavourOf('9.7.4')).toBe(MYSQL);
});

describe("MariaDB's positions", () => {
  test('say that all before is there too', () => {
    const executed = MARIADB.parseExecuted('0-1-105,7-3-2') ?? GtidSet.EMPTY;
    const has = (set: string) => executed.contains(GtidSet.parse(set) ?? GtidSet.EMPTY);
    expect(has('0:1-105,7:2')).toBe(true);
    expect(has('0:106')).toBe(false);
    expect(has('8:1')).toBe(false);
  });

  test('of a server that has nothing yet are empty', () => {
    expect(MARIADB.parseExecuted('')?.isEmpty).toBe(true);
  });

  test('are no positions when they are no GTIDs', () => {
    expect(MARIADB.parseExecuted('3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5')).toBeUndefined();
    expect(told('rubbish')).toBeUndefined();
  });

  test('that a session has committed are waited for, of each domain the last', () => {
    const own = new Commits();
    for (const gtid of ['0-1-5', '0-2-9', '3-1-1']) own.add(told(gtid) ?? '');
    expect(own.version).toBe(3);
    expect(MARIADB.awaitGtids(String(own.set), 100)).toContain("MASTER_GTID_WAIT('0-1-9,3-1-1',0.1)");
  });

  test('come with no other variable', () => {
    expect(MARIADB.commitsOf({ kind: 'system-variable', name: 'gtid_seq_no', value: '5' })).toBeUndefined();
  });
});
