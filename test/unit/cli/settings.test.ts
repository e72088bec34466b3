import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseAddress } from '../../../proxy/cli/address.js';
import { readConfigFile } from '../../../proxy/cli/config-file.js';
import { UsageError } from '../../../proxy/cli/usage-error.js';

const directory = mkdtempSync(join(tmpdir(), 'rwsplit-test-'));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'rwsplit.yaml');

function read(text: string): unknown {
  writeFileSync(path, text);
  return readConfigFile(path);
}

describe('an address', () => {
  const DEFAULTS = { host: 'h', port: 1 };
  test.each([
    ['db:3307', { host: 'db', port: 3307 }],
    ['db', { host: 'db', port: 1 }],
    [':3307', { host: 'h', port: 3307 }],
    ['10.0.0.1:0', { host: '10.0.0.1', port: 0 }],
    ['[::1]:3307', { host: '::1', port: 3307 }],
    ['[fe80::1]', { host: 'fe80::1', port: 1 }],
  ])('%s', (text, expected) => {
    expect(parseAddress(text, '--node', DEFAULTS)).toEqual(expected);
  });

  test.each(['', 'a:b:c', 'db:', 'db:x', 'db:65536', 'a b:1', '::1', '[::1', 'db:-1'])('%j is none', (text) => {
    expect(() => parseAddress(text, '--node', DEFAULTS)).toThrow(
      new UsageError(`--node takes HOST:PORT, not '${text}'`),
    );
  });
});

describe('a configuration file', () => {
  test('says what flags say', () => {
    const all = read(
      'listen: :3307\nnodes: [a:1, b:2]\nmonitor:\n  user: m\n  password_env: P\n  interval_ms: 500\npool: { max: 5 }\nlog: { level: warn }\n',
    );
    expect(all).toMatchObject({
      listen: [':3307'],
      nodes: [{ address: 'a:1' }, { address: 'b:2' }],
      monitorUser: 'm',
      monitorPasswordEnv: 'P',
      monitorIntervalMs: 500,
      poolMax: 5,
      logLevel: 'warn',
    });
  });

  test('says how fresh the reads of a user are', () => {
    expect(read('users: [{ name: shop, consistency: monotonic, max_lag_ms: 500 }, { name: reports }]\n')).toMatchObject(
      {
        users: [
          { name: 'shop', consistency: 'monotonic', maxLagMs: 500 },
          { name: 'reports', consistency: undefined, maxLagMs: undefined },
        ],
      },
    );
    expect(() => read('users: [{ name: shop, max_lag_ms: soon }]\n')).toThrow(
      new UsageError(`${path}:1:35: users[0].max_lag_ms is not a whole number above 0`),
    );
  });

  test('says how a dead primary is replaced, and what waits for the next', () => {
    process.env['RWSPLIT_TEST_FAILOVER'] = 'secret';
    const account = 'user: ha, password_env: RWSPLIT_TEST_FAILOVER';
    expect(
      read(
        `coordinator: alone\nfailover: { ${account}, policy: availability, rebuild: clone, pause_ms: 5 }\nhold: { timeout_ms: 7, max: 8 }\n` +
          'nodes: [{ address: db1, promotion: must-not }]\n',
      ),
    ).toMatchObject({
      coordinator: { kind: 'alone' },
      failover: { account: { user: 'ha', password: 'secret' }, policy: 'availability', rebuilds: true, pauseMs: 5 },
      hold: { timeoutMs: 7, max: 8 },
      nodes: [{ address: 'db1', promotion: 'must-not' }],
    });
    expect(() => read('failover: { policy: best }\n')).toThrow(
      new UsageError(`${path}:1:21: failover.policy is one of lossless, availability, not 'best'`),
    );
  });

  test('says whether transactions that are lost with the primary are run again', () => {
    expect(read('replay: on\n')).toMatchObject({ replay: { transactions: true } });
    expect(read('replay: off\n')).toMatchObject({ replay: { transactions: false } });
    expect(read('nodes: [db1]\n')).toMatchObject({ replay: {} });
    expect(read('replay: { transactions: on, statements: 7, bytes: 8, bytes_of_all: 9 }\n')).toMatchObject({
      replay: { transactions: true, statements: 7, bytes: 8, bytesOfAll: 9 },
    });
    expect(() => read('replay: maybe\n')).toThrow(new UsageError(`${path}:1:9: replay is one of on, off, not 'maybe'`));
  });

  test('may be empty, JSON, or leave out what it likes', () => {
    for (const text of ['', '# nothing\n', '{}', 'pool:\n', '{"log": null}']) expect(read(text)).toBeTypeOf('object');
    expect(read('{"nodes": ["a:1"]}')).toMatchObject({ nodes: [{ address: 'a:1' }] });
  });

  test.each([
    ['listn: x\n', "1:1: unknown key 'listn'; did you mean 'listen'?"],
    ['nodes:\n  - a:1\nmonitor:\n  usr: x\n', "4:3: unknown key 'usr'; did you mean 'user'?"],
    ['pool:\n  max: many\n', '2:8: pool.max is not a whole number above 0'],
    ['pool: { max: 0 }\n', '1:14: pool.max is not a whole number above 0'],
    ['nodes: a:1\n', '1:8: nodes is not a list'],
    ['nodes:\n  - [a]\n', '2:5: nodes[0] is not a map of keys and values'],
    ['nodes:\n  - { address: a, weight: 0 }\n', '2:27: nodes[0].weight is not a whole number above 0'],
    [
      'balance: { policy: fastest }\n',
      "1:20: balance.policy is one of round-robin, weighted, least-outstanding, adaptive, not 'fastest'",
    ],
    ['balance: { primary_share: 2 }\n', '1:27: balance.primary_share is a number from 0 to 1'],
    ['- a\n', '1:1: the file is not a map of keys and values'],
    ['log: loud\n', '1:6: log is not a map of keys and values'],
  ])('with a mistake is told where it is: %j', (text, message) => {
    expect(() => read(text)).toThrow(new UsageError(`${path}:${message}`));
  });

  test('with a mistake of syntax is told the line, and one that is not there by its name', () => {
    expect(() => read('nodes: [a\nlisten: "x\n')).toThrow(new RegExp(`^${path}:\\d+:\\d+: `));
    expect(() => readConfigFile(join(directory, 'missing.yaml'))).toThrow(/missing\.yaml: ENOENT/);
  });

  test('with an unknown key that resembles none is told which there are', () => {
    expect(() => read('colour: red\n')).toThrow(/unknown key 'colour'; the keys are listen, nodes, discovery/);
  });
});
