import { describe, expect, test } from 'vitest';
import { isRepeatable } from '../../../src/classify/repeatable.js';
import { classOf, MYSQL } from './modes.js';

function repeatable(sql: string): boolean {
  return isRepeatable(classOf(sql), Buffer.from(sql), 0, MYSQL);
}

describe('of a transaction that came to nothing, what all is in the transaction may run again', () => {
  test.each([
    'SELECT * FROM t',
    'SELECT * FROM t WHERE id = 1 FOR UPDATE',
    'SELECT @@version',
    'SELECT /* rwsplit: replica */ COUNT(*) FROM t',
    'INSERT INTO t (a, b) VALUES (1, NOW())',
    'INSERT INTO `t` (a) VALUES (1)',
    'INSERT INTO s.t (a) SELECT UPPER(a) FROM u',
    'INSERT IGNORE INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE n = VALUES(n) + 1',
    'INSERT INTO child (parent) VALUES (LAST_INSERT_ID())',
    'REPLACE INTO t (a) VALUES (COALESCE(NULL, 1))',
    'UPDATE t SET n = IF(n > 1, 1, 2) WHERE id IN (1, 2)',
    'DELETE FROM t WHERE id IN (SELECT id FROM u)',
    'SAVEPOINT a',
    'RELEASE SAVEPOINT a',
    'ROLLBACK TO a',
    'ROLLBACK WORK TO SAVEPOINT a',
    "SET SESSION sql_mode = 'ANSI_QUOTES'",
    'SET @@session.sort_buffer_size = 1000000',
    'USE shop',
  ])('%s', (sql) => expect(repeatable(sql)).toBe(true));
});

describe('what may reach beyond its transaction, or ends it, may not', () => {
  test.each([
    'COMMIT',
    'COMMIT AND CHAIN',
    'ROLLBACK',
    'ROLLBACK AND CHAIN',
    'ROLLBACK RELEASE',
    'BEGIN',
    'START TRANSACTION',
    'SET autocommit = 1',
    'SET TRANSACTION READ ONLY',
    'CREATE TABLE u (id INT)',
    'TRUNCATE t',
    'LOCK TABLES t READ',
    'CALL p()',
    'SELECT f(1)',
    'SELECT /* rwsplit: replica */ f(1)',
    'SELECT f(1) FROM t FOR UPDATE',
    'INSERT INTO t (a) VALUES (f(1))',
    'INSERT INTO t SELECT f(1)',
    'INSERT INTO t SELECT s.f(1)',
    'UPDATE t SET n = `f`(1)',
    'INSERT INTO t VALUES (FOUND_ROWS())',
    'INSERT INTO t VALUES (ROW_COUNT())',
    "INSERT INTO t VALUES (LOAD_FILE('/etc/hosts'))",
    "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
    "LOAD DATA INFILE 'x' INTO TABLE t",
    "SELECT GET_LOCK('x', 1)",
    'SELECT @v',
    'SELECT @v := 1',
    'SELECT 1 INTO @v',
    'SET @v = 1',
    'SET SESSION sql_mode = f()',
    'SET GLOBAL max_connections = 10, SESSION sql_mode = 1',
    'SET @@global.max_connections = 10, @@session.sql_mode = 1',
    'SET sql_mode = 1, PERSIST max_connections = 10',
    'SET timestamp = 1',
    'HANDLER t OPEN',
    "SIGNAL SQLSTATE '45000'",
    'CREATE TEMPORARY TABLE u (id INT)',
    'XA START "x"',
    'ANALYZE TABLE t',
    'SHOW WARNINGS',
    'SELECT 1; SELECT 2',
    'nonsense',
  ])('%s', (sql) => expect(repeatable(sql)).toBe(false));
});
