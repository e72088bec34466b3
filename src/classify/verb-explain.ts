import * as finding from './finding.js';
import { CALL, NAME } from './lexer.js';
import { ADMINISTRATION, EXPLAIN_ANALYZE, EXPLAIN_OF_WRITE, READ } from './outcome.js';
import type { StatementScan } from './statement-scan.js';
import { word, words } from './words.js';

const ANALYZE = word('ANALYZE');
const FORMAT = word('FORMAT');
const FOR = word('FOR');
const CONNECTION = word('CONNECTION');
const SCHEMAS: ReadonlySet<number> = new Set(words('DATABASE SCHEMA'));
const READS: ReadonlySet<number> = new Set(words('SELECT TABLE VALUES WITH'));
const WRITES: ReadonlySet<number> = new Set(words('DELETE INSERT REPLACE UPDATE'));
/** MariaDB has no word before the table in ANALYZE TABLE's place, so these tell its ANALYZE of a statement. */
const ANALYZED: ReadonlySet<number> = new Set(words('DELETE FORMAT INSERT REPLACE SELECT UPDATE VALUES WITH'));
const PARENTHESIS = 0x28;

/** EXPLAIN has the class of the statement in it, as the server may run parts of that. A table's name is a plain read. */
export function readExplain(scan: StatementScan): void {
  scan.outcome = READ;
  scan.take();
  readExplained(scan, false);
}

/** `ANALYZE TABLE`, or MariaDB's `ANALYZE statement`. */
export function readAnalyze(scan: StatementScan): void {
  const { lexer } = scan;
  scan.take();
  if ((lexer.keyword && ANALYZED.has(lexer.word)) || lexer.before === PARENTHESIS) {
    readExplained(scan, true);
  } else {
    scan.outcome = ADMINISTRATION;
  }
}

function readExplained(scan: StatementScan, analyzes: boolean): void {
  const { lexer } = scan;
  let runs = analyzes;
  while (!scan.atEnd) {
    const keyword = lexer.token === NAME && lexer.keyword ? lexer.word : 0;
    if (READS.has(keyword)) break;
    if (WRITES.has(keyword)) {
      scan.outcome = runs ? EXPLAIN_ANALYZE : EXPLAIN_OF_WRITE;
      return;
    }
    scan.take();
    if (keyword === ANALYZE) runs = true;
    // What follows these is a name, whatever it looks like.
    if (keyword === FORMAT) skipName(scan);
    if (keyword === FOR && lexer.word === CONNECTION) scan.found |= finding.IS_SERVER_SPECIFIC;
    if (keyword === FOR && SCHEMAS.has(lexer.word)) {
      scan.take();
      skipName(scan);
    }
  }
  scan.takeRest();
  if ((scan.found & finding.WRITES) !== 0) scan.outcome = runs ? EXPLAIN_ANALYZE : EXPLAIN_OF_WRITE;
}

/** A name is no function, even where the statement after it begins with a parenthesis. */
function skipName(scan: StatementScan): void {
  const { lexer } = scan;
  if (!scan.atEnd) lexer.next();
  if (lexer.token === CALL) lexer.next();
}
