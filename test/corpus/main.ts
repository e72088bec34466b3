import { parseArgs } from 'node:util';
import { startCluster } from '../../docker/cluster/start-cluster.js';
import { classify } from '../../src/classify/classify.js';
import { MYSQL, readCorpus, type TestFile } from './corpus.js';
import { fuzz } from './fuzz.js';
import { askParser } from './second-opinion.js';
import { checkOnServer } from './server-check.js';

const HELP = `npm run corpus -- [NAME …] [options]

The statements of MySQL's own test suite (Debian's package mysql-testsuite, fetched once) against the classifier.

  classes   how many go where, and which reads go to the primary, by reason
  parser    node-sql-parser as a second opinion on all that it can parse
  server    what is classed 'replica' is run on a real server, where it must write, lock and leave nothing
  fuzz      random bytes and mutated statements, in all modes

All of them when none is named. Ends with 1 when something is wrong.
  --seconds N   (300)  for server, and for fuzz
  --skip N      (0)    files that server leaves out at the beginning
  --seed N             of fuzz, to do it again
`;

/** First words of statements that read, as far as that can be said without looking further. */
const READS = /^[\s(]*(?:select|with|table|values|show|desc|describe|explain|checksum|help)\b/i;

/** What `npm run corpus` runs. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '300' },
      skip: { type: 'string', default: '0' },
      seed: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const files = await readCorpus();
  const distinct = new Set(files.flatMap((file) => file.statements));
  const seconds = Number(values.seconds);
  const checks: Readonly<Record<string, () => boolean | Promise<boolean>>> = {
    classes: () => showClasses(files, distinct),
    parser: () => showParser(distinct),
    server: async () => showServer(files.slice(Number(values.skip)), seconds),
    fuzz: () => showFuzz([...distinct], seconds, Number(values.seed ?? Date.now() % 1_000_000)),
  };
  let right = true;
  for (const name of positionals.length > 0 ? positionals : Object.keys(checks)) {
    const run = checks[name];
    if (run === undefined) {
      process.stderr.write(`rwsplit: there is no check '${name}'\n${HELP}`);
      return 2;
    }
    process.stdout.write(`\n${name}\n`);
    if (!(await run())) right = false;
  }
  return right ? 0 : 1;
}

function say(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

function showAll(what: string, all: readonly string[]): void {
  for (const one of all.slice(0, 30)) say(`${what}: ${one.slice(0, 300)}`);
  if (all.length > 30) say(`… and ${all.length - 30} more`);
}

function showClasses(files: readonly TestFile[], distinct: ReadonlySet<string>): boolean {
  const targets = new Map<string, number>();
  const reasons = new Map<string, number>();
  let reads = 0;
  for (const sql of distinct) {
    const bytes = Buffer.from(sql, 'latin1');
    const { target, reason } = classify(bytes, 0, bytes.length, MYSQL);
    targets.set(target, (targets.get(target) ?? 0) + 1);
    if (!READS.test(sql)) continue;
    reads++;
    if (target === 'primary') reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  say(
    `${files.length} files, ${files.reduce((sum, it) => sum + it.statements.length, 0)} statements, ${distinct.size} distinct`,
  );
  for (const [target, count] of targets) say(`${String(count).padStart(7)}  to ${target}`);
  say(`${reads} begin like a read; of these to the primary:`);
  for (const [reason, count] of [...reasons].sort((a, b) => b[1] - a[1]))
    say(`${String(count).padStart(7)}  ${reason}`);
  return true;
}

function showParser(distinct: ReadonlySet<string>): boolean {
  const { parsed, agreed, explained, unexplained, misread, dangerous } = askParser(distinct);
  say(`${parsed} of ${distinct.size} parsed; on ${agreed} both agree`);
  for (const [reason, count] of explained) say(`${String(count).padStart(7)}  explained: ${reason}`);
  say(
    `${misread} misread by the parser; ${unexplained.length} unexplained; ${dangerous.length} to a replica against its word`,
  );
  showAll('unexplained', unexplained);
  showAll('against its word', dangerous);
  return unexplained.length === 0 && dangerous.length === 0;
}

async function showServer(files: readonly TestFile[], seconds: number): Promise<boolean> {
  const cluster = await startCluster({ replicaCount: 0, fast: true, onProgress: say });
  try {
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error('the cluster has no node');
    const server = { host: node.host, port: node.port, ...cluster.accounts.root };
    const report = await checkOnServer(files, server, seconds, say);
    say(
      `${report.files} of ${files.length} files (${report.brokenOff} not to their ends); ${report.ran} reads were run, ${report.succeeded} of them without an error`,
    );
    say(`${report.violations.length} violations; ${report.hidden} refused for what a view calls`);
    return report.violations.length === 0;
  } finally {
    await cluster.stop();
  }
}

function showFuzz(statements: readonly string[], seconds: number, seed: number): boolean {
  const { texts, bytes, failures } = fuzz(statements, seconds, seed);
  say(`seed ${seed}: ${texts} texts of ${bytes} bytes, ${failures.length} failures`);
  showAll('WRONG', failures);
  return failures.length === 0;
}
