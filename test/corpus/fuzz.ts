import { performance } from 'node:perf_hooks';
import type { LexMode } from '../../src/classify/classification.js';
import { classify } from '../../src/classify/classify.js';
import { DigestTable } from '../../src/classify/digest-table.js';
import { StatementCache } from '../../src/classify/statement-cache.js';
import { randomFrom } from '../random.js';
import { MYSQL } from './corpus.js';

const MODES: readonly LexMode[] = [
  MYSQL,
  { ...MYSQL, ansiQuotes: true },
  { ...MYSQL, noBackslashEscapes: true },
  { ...MYSQL, serverVersion: 101119, mariadb: true },
  ...(['gbk', 'sjis', 'cp932', 'big5', 'gb18030'] as const).map((charset) => ({ ...MYSQL, charset })),
];
const TARGETS: ReadonlySet<string> = new Set(['primary', 'replica', 'last']);
const REPEATS = 64;
/** Twice the text may take this much more, and what a collector's pause takes. */
const MAX_FACTOR = 4;
const PAUSE_MS = 20;

export interface FuzzReport {
  readonly seed: number;
  readonly texts: number;
  readonly bytes: number;
  /** Each with the text in hexadecimal digits. */
  readonly failures: readonly string[];
}

/** Classifies random bytes and mutated statements, in all modes, for a bounded time. */
export function fuzz(statements: readonly string[], seconds: number, seed: number): FuzzReport {
  const { below } = randomFrom(seed);
  const cache = new StatementCache({ maxBytes: 65_536, maxStatementBytes: 4096, digests: new DigestTable(100) });
  const failures: string[] = [];
  const deadline = performance.now() + seconds * 1000;
  let texts = 0;
  let bytes = 0;
  while (performance.now() < deadline && failures.length < 20) {
    const text = below(5) === 0 ? randomBytes(below, 200) : mutated(statements, below);
    const mode = MODES[below(MODES.length)] ?? MYSQL;
    const problem = problemOf(text, mode, cache, texts % 50 === 0);
    if (problem !== undefined) failures.push(`${problem} (${JSON.stringify(mode)}): ${text.toString('hex')}`);
    texts++;
    bytes += text.length;
  }
  return { seed, texts, bytes, failures };
}

function randomBytes(below: (limit: number) => number, max: number): Buffer {
  return Buffer.from(Array.from({ length: below(max) }, () => below(256)));
}

function mutated(statements: readonly string[], below: (limit: number) => number): Buffer {
  let text = Buffer.from(statements[below(statements.length)] ?? '', 'latin1');
  for (let round = below(4); round >= 0; round--) {
    const at = below(text.length + 1);
    const stop = Math.min(text.length, at + below(20));
    const other = Buffer.from(statements[below(statements.length)] ?? '', 'latin1');
    const from = below(other.length + 1);
    const inserted = [
      Buffer.alloc(0),
      randomBytes(below, 8),
      other.subarray(from, from + below(60)),
      text.subarray(at, stop),
    ];
    text = Buffer.concat([
      text.subarray(0, at),
      inserted[below(4)] ?? Buffer.alloc(0),
      text.subarray(below(2) === 0 ? at : stop),
    ]);
  }
  return text;
}

function problemOf(text: Buffer, mode: LexMode, cache: StatementCache, timed: boolean): string | undefined {
  try {
    const found = classify(text, 0, text.length, mode);
    if (!TARGETS.has(found.target)) return `no target: ${found.target}`;
    for (const round of ['first', 'second']) {
      const cached = cache.lookup(text, 0, text.length, mode).classification;
      if (cached !== found && JSON.stringify(cached) !== JSON.stringify(found))
        return `another class from the cache, ${round} time`;
    }
    const commented = Buffer.concat([Buffer.from('/* nothing */ '), text]);
    const { target } = classify(commented, 0, commented.length, mode);
    if (target === 'replica' && found.target !== 'replica') return 'a comment before it makes it a read';
    return timed ? slowness(text, mode) : undefined;
  } catch (error) {
    return `it threw ${String(error)}`;
  }
}

function slowness(text: Buffer, mode: LexMode): string | undefined {
  const once = Buffer.concat(Array.from({ length: REPEATS }, () => text));
  const twice = Buffer.concat([once, once]);
  const [onceMs, twiceMs] = [once, twice].map((it) => Math.min(...[1, 2, 3].map(() => timeOf(it, mode))));
  if (onceMs === undefined || twiceMs === undefined || twiceMs <= MAX_FACTOR * onceMs + PAUSE_MS) return undefined;
  return `${REPEATS} times in ${onceMs.toFixed(1)} ms, ${2 * REPEATS} times in ${twiceMs.toFixed(1)} ms`;
}

function timeOf(text: Buffer, mode: LexMode): number {
  const started = performance.now();
  classify(text, 0, text.length, mode);
  return performance.now() - started;
}
