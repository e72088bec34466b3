import type { RowDataPacket } from 'mysql2/promise';
import { expect } from 'vitest';
import { clusterInfo, connectDirect, freshSchema, untilReplicated } from '../cluster.js';
import { runProgram, transcriptOf, type ProgramResult } from './both-ways.js';
import type { CommandLine } from './command-line.js';

/** A schema with one of everything that a dump has to know of. */
const STATEMENTS: readonly string[] = [
  `CREATE TABLE author (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, born DATE, UNIQUE KEY (name))
   CHARACTER SET utf8mb4 COMMENT 'who writes; "quoted" and ''quoted'''`,
  `CREATE TABLE book (id INT AUTO_INCREMENT PRIMARY KEY, author INT UNSIGNED, title VARCHAR(200), price DECIMAL(8,2), cover LONGBLOB, facts JSON,
   at TIMESTAMP(6) NULL, flags SET('a','b','c'), pages SMALLINT UNSIGNED ZEROFILL, ratio DOUBLE, bits BIT(9), place POINT,
   words INT GENERATED ALWAYS AS (CHAR_LENGTH(title)) STORED, KEY (title(10)), FOREIGN KEY (author) REFERENCES author (id))`,
  `CREATE TABLE part (y INT, v VARCHAR(10)) PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)`,
  `CREATE TABLE \`odd name; --\` (\`select\` INT, \`a\`\`b\` TEXT CHARACTER SET latin1)`,
  `CREATE TABLE bare (a INT)`,
  // What is estimated of its rows decides how some tools split them.
  `CREATE TABLE many (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200)) STATS_AUTO_RECALC=0`,
  `CREATE TABLE log (at INT, what VARCHAR(20))`,
  `INSERT INTO author (name, born) VALUES ('Größe 🍞', '1899-12-31'), ('O''Hara', NULL), ('back\\\\slash\\n', '2000-02-29')`,
  `INSERT INTO book (author, title, price, cover, facts, at, flags, pages, ratio, bits, place) VALUES
   (1, 'one', 12.50, x'00FF27225C0A0D1A', '{"a": [1, null, "ü"]}', '2024-02-29 12:00:00.123456', 'a,c', 7, 1.1e-300, b'100000001', POINT(1, 2)),
   (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (1, '', 0, '', '[]', '1970-01-02 00:00:01', '', 0, 0, 0, POINT(0, 0))`,
  `INSERT INTO part VALUES (1, 'a'), (100, 'b')`,
  `INSERT INTO \`odd name; --\` VALUES (1, 'ÿ'), (2, NULL)`,
  // Not by a SELECT: for these the primary sets aside more numbers than its replicas know of, which SHOW CREATE TABLE tells.
  `INSERT INTO many (v) VALUES ${Array.from({ length: 20_000 }, (_, i) => `('${i} ${'z'.repeat(i % 150)}')`).join()}`,
  `ANALYZE TABLE many`,
  `INSERT INTO book (title, cover) VALUES ('large', REPEAT('0123456789abcdef', 150000))`,
  `CREATE VIEW recent AS SELECT b.id, a.name FROM book b JOIN author a ON a.id = b.author`,
  `CREATE VIEW again AS SELECT COUNT(*) AS c FROM recent`,
  `CREATE TRIGGER after_part AFTER INSERT ON part FOR EACH ROW INSERT INTO log VALUES (NEW.y, 'inserted')`,
  `CREATE PROCEDURE add_author(IN n VARCHAR(80)) BEGIN INSERT INTO author (name) VALUES (n); SELECT LAST_INSERT_ID(); END`,
  `CREATE FUNCTION doubled(a INT) RETURNS INT DETERMINISTIC NO SQL RETURN a * 2`,
  `CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DISABLE DO DELETE FROM log`,
];

/** Makes the schema on all nodes, by the account that will dump it. */
export async function makeShop(schema: string): Promise<void> {
  await freshSchema(schema);
  const app = await connectDirect(0, { database: schema });
  for (const statement of STATEMENTS) await app.query(statement);
  app.destroy();
  await untilReplicated();
}

/** All that a schema has, as text: data by checksums, definitions as the server writes them, without the schema's own name. */
export async function contentOf(schema: string, isWanted: (name: string) => boolean = () => true): Promise<string> {
  const root = await connectDirect(0, { ...clusterInfo().accounts.root, database: schema });
  const lines: string[] = [];
  const show = async (sql: string, values: readonly unknown[] = [schema]): Promise<string[]> => {
    const [rows] = await root.query<RowDataPacket[]>(sql, [...values]);
    const wanted = rows.map((row) => Object.values(row).map(String)).filter(([name]) => isWanted(name ?? ''));
    lines.push(...wanted.map((row) => JSON.stringify(row).replaceAll(schema, 'SCHEMA')));
    return wanted.map(([name]) => name ?? '');
  };
  const tables = await show(
    'SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.tables WHERE TABLE_SCHEMA = ? ORDER BY 1',
  );
  for (const name of tables) {
    await show('SHOW CREATE TABLE ??', [name]);
    const [[checksum]] = await root.query<RowDataPacket[]>('CHECKSUM TABLE ?? EXTENDED', [name]);
    lines.push(String(checksum?.['Checksum']));
  }
  await show(
    'SELECT TRIGGER_NAME, ACTION_STATEMENT, SQL_MODE FROM information_schema.triggers WHERE TRIGGER_SCHEMA = ? ORDER BY 1',
  );
  await show(
    `SELECT ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, SQL_MODE FROM information_schema.routines
     WHERE ROUTINE_SCHEMA = ? ORDER BY 1`,
  );
  await show(
    'SELECT EVENT_NAME, EVENT_DEFINITION, STATUS, STARTS FROM information_schema.events WHERE EVENT_SCHEMA = ? ORDER BY 1',
  );
  root.destroy();
  return lines.join('\n');
}

/** @throws AssertionError with what the program said where it failed */
export async function dump(
  { file, args }: CommandLine,
  login: readonly string[],
  options: readonly string[],
  password: string,
): Promise<ProgramResult> {
  const result = await runProgram(file, [...args, ...login, ...options], password);
  expect(result.exitCode, transcriptOf({ ...result, stdout: Buffer.alloc(0) })).toBe(0);
  return result;
}
