/**
 * What {@link UNTOLD_WRITES} call and fill, in a schema that stands there as SCHEMA. No other schema has routines of these names: what a call without
 * its schema does is known only where all of its name do the same.
 */
export const UNTOLD_ROUTINES: readonly string[] = [
  'CREATE TABLE SCHEMA.untold (id INT PRIMARY KEY)',
  'CREATE TABLE SCHEMA.untold_2 (id INT PRIMARY KEY) ENGINE = MyISAM',
  'CREATE FUNCTION SCHEMA.untold_writes() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO untold VALUES (1); RETURN 1; END',
  "CREATE PROCEDURE SCHEMA.untold_fails() BEGIN INSERT INTO untold VALUES (1); SIGNAL SQLSTATE '45000'; END",
];

interface UntoldWrite {
  readonly statements: readonly string[];
  /** The session was told that it is written. */
  readonly isAcknowledged: boolean;
}

/**
 * Statements that commit a row, of which MySQL tells by no session tracker: it tells with an OK alone, and these end in an EOF (without
 * DEPRECATE_EOF) or an error.
 */
export const UNTOLD_WRITES: Readonly<Record<string, UntoldWrite>> = {
  'a function': { statements: ['SELECT untold_writes()'], isAcknowledged: true },
  'EXPLAIN ANALYZE': { statements: ['EXPLAIN ANALYZE SELECT untold_writes()'], isAcknowledged: true },
  'a procedure that fails': { statements: ['CALL untold_fails()'], isAcknowledged: true },
  'a transaction that ANALYZE TABLE ends': {
    statements: ['BEGIN', 'INSERT INTO untold VALUES (1)', 'ANALYZE TABLE untold'],
    isAcknowledged: true,
  },
  'a transaction that a refused CREATE TABLE ends': {
    statements: ['BEGIN', 'INSERT INTO untold VALUES (1)', 'CREATE TABLE untold (id INT)', 'SELECT 1', 'COMMIT'],
    isAcknowledged: true,
  },
  'a part of a write that fails, without transactions': {
    statements: ['INSERT INTO untold_2 VALUES (1), (1)'],
    isAcknowledged: false,
  },
};
