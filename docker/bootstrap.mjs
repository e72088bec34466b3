// @ts-check
/*
 * What `npm start`, `npm test` and the others run: brings a fresh checkout to the point where the verb can work (dependencies, dist/), then
 * runs it. Node's own modules only, since nothing is installed yet. stdout belongs to the verb.
 *
 *   node docker/bootstrap.mjs demo|rwsplit|test|bench|corpus|fuzz|simulate|package [ARGUMENT…]
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOCK = join(ROOT, 'dist', '.bootstrap.lock');
const LOCK_TIMEOUT_MS = 10 * 60_000;
const OLDEST_NODE = [20, 19];

/** A compilation, and the newest of its sources decides whether it is due. */
const BUILDS = {
  package: {
    sources: ['src', 'proxy', 'driver', 'docker', 'tsconfig.json'],
    output: 'dist',
    args: ['-p', 'tsconfig.json'],
  },
  // The benchmarks, the corpus check, the fuzzer and the simulator are TypeScript outside of the package. Below dist/, they find the same package.json and node_modules as all else.
  bench: {
    sources: ['src', 'proxy', 'driver', 'docker', 'test', 'tsconfig.json'],
    output: 'dist/bench',
    args: ['-p', 'test/tsconfig.json', '--noEmit', 'false', '--outDir', 'dist/bench'],
  },
};

/** @type {Record<string, (args: string[]) => Promise<void>>} */
const VERBS = {
  demo: (args) => runMain('package', 'dist/docker/demo.js', args),
  rwsplit: (args) => runMain('package', 'dist/proxy/cli/main.js', args),
  bench: (args) => runMain('bench', 'dist/bench/test/bench/main.js', args),
  corpus: (args) => runMain('bench', 'dist/bench/test/corpus/main.js', args),
  fuzz: (args) => runMain('bench', 'dist/bench/test/fuzz/main.js', args),
  simulate: (args) => runMain('bench', 'dist/bench/test/simulator/main.js', args),
  package: (args) => runMain('package', 'dist/docker/package.js', args),
  test: runTests,
};

class CannotGoOn extends Error {}

try {
  checkNode();
  const [verb = '', ...args] = process.argv.slice(2);
  const run = VERBS[verb];
  if (run === undefined) throw new CannotGoOn(`"${verb}" is none of the verbs ${Object.keys(VERBS).join(', ')}`);
  await run(args);
} catch (error) {
  if (!(error instanceof CannotGoOn)) throw error;
  say(error.message);
  process.exitCode = 1;
}

/**
 * In this process, so that signals, the terminal and the exit code are the program's own.
 * @param {keyof typeof BUILDS} build
 * @param {string} path
 * @param {string[]} args
 */
async function runMain(build, path, args) {
  await prepare(build);
  const { main } = await import(pathToFileURL(join(ROOT, path)).href);
  // A main that serves comes back when it is done; its number is the exit code.
  process.exitCode = (await main(args)) ?? 0;
}

/** @param {string[]} args */
async function runTests(args) {
  // Some tests start programs of dist/.
  await prepare('package');
  const child = spawn(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', ...args], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to both, and a second one ends the tests without taking their servers down. So does everything but
      // SIGINT, hence that is what the others become.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill('SIGINT');
    });
  }
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
      resolve(undefined);
    });
  });
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw new CannotGoOn(`this needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}`);
  }
}

/** @param {keyof typeof BUILDS} build */
async function prepare(build) {
  if (!isInstallDue() && !isBuildDue(build)) return;
  await lock();
  try {
    // Asked again: whoever held the lock may have done it.
    if (isInstallDue()) install();
    if (isBuildDue(build)) compile(build);
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function isInstallDue() {
  return newestMs(join(ROOT, 'package-lock.json')) > newestMs(join(ROOT, 'node_modules', '.package-lock.json'));
}

function install() {
  say('installing the dependencies (npm ci)');
  // Under `npm run` this names npm's own script, which spares the search on the PATH; under npx it names another.
  const npm = process.env['npm_execpath'];
  const [file, ...args] = npm !== undefined && basename(npm) === 'npm-cli.js' ? [process.execPath, npm] : ['npm'];
  // Verbs need the development dependencies also where NODE_ENV is "production".
  runToEnd(
    file ?? 'npm',
    [...args, 'ci', '--include=dev', '--no-audit', '--no-fund'],
    'the dependencies could not be installed',
  );
}

/** @param {keyof typeof BUILDS} build */
function isBuildDue(build) {
  const { sources, output } = BUILDS[build];
  return Math.max(...sources.map((source) => newestMs(join(ROOT, source)))) > newestMs(join(ROOT, output, '.built'));
}

/** @param {keyof typeof BUILDS} build */
function compile(build) {
  const { output, args } = BUILDS[build];
  say(`compiling to ${output}/`);
  // The stamp bears the time before: what is edited meanwhile is compiled the next time.
  const startedAt = new Date();
  runToEnd(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...args], 'the compiler found errors');
  const stamp = join(ROOT, output, '.built');
  writeFileSync(stamp, '');
  utimesSync(stamp, startedAt, startedAt);
}

/**
 * @param {string} file
 * @param {string[]} args
 * @param {string} complaint
 */
function runToEnd(file, args, complaint) {
  const { status, error } = spawnSync(file, args, { cwd: ROOT, stdio: ['ignore', process.stderr, process.stderr] });
  if (error !== undefined) throw new CannotGoOn(`${complaint}: ${error.message}`);
  if (status !== 0) throw new CannotGoOn(complaint);
}

/**
 * The time of the newest source below a path; 0 where there is nothing.
 * @param {string} path
 * @returns {number}
 */
function newestMs(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(
    0,
    ...readdirSync(path).map((name) =>
      /\.(ts|json)$/.test(name) || !name.includes('.') ? newestMs(join(path, name)) : 0,
    ),
  );
}

/** One bootstrap at a time: the file holds the id of the process that is at it. */
async function lock() {
  mkdirSync(dirname(LOCK), { recursive: true });
  for (const deadline = Date.now() + LOCK_TIMEOUT_MS; !tryLock(); await sleep(100)) {
    if (Date.now() > deadline)
      throw new CannotGoOn(`another process has held ${LOCK} for ${LOCK_TIMEOUT_MS / 60_000} min`);
  }
}

function tryLock() {
  const mine = `${LOCK}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    // A link appears at once with its content, so that nobody reads an owner that is not written yet.
    linkSync(mine, LOCK);
    return true;
  } catch {
    removeDeadLock(mine);
    return false;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** @param {string} spare A path of this process's own. */
function removeDeadLock(spare) {
  const owner = ownerOf(LOCK);
  if (owner === undefined || isAlive(owner)) return;
  try {
    renameSync(LOCK, spare);
    // Another process may have been faster, and this be its lock: it gets it back.
    if (ownerOf(spare) !== owner) linkSync(spare, LOCK);
  } catch {
    // Somebody else removed it; the next try will tell.
  }
}

/** @param {string} path */
function ownerOf(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** @param {string} line */
function say(line) {
  process.stderr.write(`rwsplit: ${line}\n`);
}
