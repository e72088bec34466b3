import { performance } from 'node:perf_hooks';
import parser from 'node-sql-parser';
import type { LexMode } from '../../src/classify/classification.js';
import { classify } from '../../src/classify/classify.js';
import { DigestTable } from '../../src/classify/digest-table.js';
import { StatementCache } from '../../src/classify/statement-cache.js';

const MODE: LexMode = {
  ansiQuotes: false,
  noBackslashEscapes: false,
  charset: 'other',
  serverVersion: 90704,
  mariadb: false,
};
const TARGET_MS = 300;
const MIB = 1024 * 1024;

interface Row {
  readonly case: string;
  readonly bytes: number;
  readonly 'µs each': number;
}

/** A SELECT of about 200 bytes with a number of its own. */
function select(n: number): string {
  return (
    `SELECT o.id, o.created_at, c.name, SUM(l.price * l.amount) AS total FROM orders o JOIN customers c ON c.id = o.customer_id ` +
    `JOIN order_lines l ON l.order_id = o.id WHERE o.id = ${n} AND c.name LIKE 'a%' GROUP BY o.id LIMIT 10`
  );
}

function insert(bytes: number): string {
  const row = `(12345,'some text of a row','2026-11-23 10:00:00',3.25)`;
  return `INSERT INTO orders (id, note, created_at, price) VALUES ${Array.from({ length: Math.ceil(bytes / (row.length + 1)) }, () => row).join(',')}`;
}

/** The mean of enough runs to be worth measuring, after as many for the compiler. */
function measure(run: (round: number) => void): number {
  let rounds = 1;
  for (;;) {
    const started = performance.now();
    for (let round = 0; round < rounds; round += 1) run(round);
    const elapsed = performance.now() - started;
    if (elapsed >= TARGET_MS) return (elapsed * 1000) / rounds;
    rounds *= 2;
  }
}

function row(name: string, text: string, run: (round: number) => void): Row {
  return { case: name, bytes: text.length, 'µs each': Number(measure(run).toPrecision(3)) };
}

function classifyText(sql: Buffer): void {
  classify(sql, 0, sql.length, MODE);
}

/** Prints how long classification takes, beside a parser that builds a tree. */
export async function benchClassify(): Promise<void> {
  const sqlParser = new parser.Parser();
  const cache = new StatementCache({
    maxBytes: 32 * MIB,
    maxStatementBytes: 16 * 1024,
    digests: new DigestTable(5000),
  });
  const repeated = Buffer.from(select(1));
  const selects = Array.from({ length: 8192 }, (_, n) => Buffer.from(select(n)));
  const inserted = Buffer.from(insert(10_000));
  const tooLong = Buffer.from(insert(20_000));
  const literals = Buffer.from(insert(64 * MIB));
  const oneLiteral = Buffer.from(`INSERT INTO t VALUES ('${'x'.repeat(64 * MIB)}')`);
  const fresh = (round: number): Buffer => selects[round % selects.length] ?? repeated;

  const rows: Row[] = [
    row('repeated SELECT, from the cache', repeated.toString(), () => cache.lookup(repeated, 0, repeated.length, MODE)),
    row('counting it by its digest, on two nodes in turn', repeated.toString(), (round) => {
      const { digest } = cache.lookup(repeated, 0, repeated.length, MODE);
      digest?.ran(round % 2 === 0 ? '127.0.0.1:3306' : '127.0.0.1:3307', 'replica', 'read');
    }),
    row('new SELECT', repeated.toString(), (round) => classifyText(fresh(round))),
    row('new SELECT, through a cache it never hits', repeated.toString(), (round) => {
      const sql = Buffer.from(select(round));
      cache.lookup(sql, 0, sql.length, MODE);
    }),
    row('making that text', repeated.toString(), (round) => void Buffer.from(select(round))),
    row('new INSERT of 10 kB', inserted.toString(), () => classifyText(inserted)),
    row('INSERT of 20 kB, too long for the cache', tooLong.toString(), () => {
      cache.lookup(tooLong, 0, tooLong.length, MODE);
    }),
    row('new INSERT of 64 MiB, rows of short literals', literals.toString(), () => classifyText(literals)),
    row('new INSERT of 64 MiB, one literal', oneLiteral.toString(), () => classifyText(oneLiteral)),
    row(
      'node-sql-parser: SELECT',
      repeated.toString(),
      (round) => void sqlParser.astify(select(round), { database: 'MySQL' }),
    ),
    row('node-sql-parser: INSERT of 10 kB', inserted.toString(), () => {
      sqlParser.astify(inserted.toString(), { database: 'MySQL' });
    }),
  ];
  const width = Math.max(...rows.map((it) => it.case.length));
  for (const it of rows) {
    process.stdout.write(
      `${it.case.padEnd(width)} ${String(it.bytes).padStart(9)} bytes ${String(it['µs each']).padStart(10)} µs\n`,
    );
  }
}
