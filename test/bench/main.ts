import { parseArgs } from 'node:util';
import { FAULTS } from '../faults/primary-faults.js';
import { benchBalance } from './balance.js';
import { benchClassify } from './classify.js';
import { benchDriver } from './driver.js';
import { benchFailover, faultsOf } from './failover.js';
import { benchLargeResult } from './large-result.js';
import { benchLevels } from './levels.js';
import { benchManyClients } from './many-clients.js';
import { benchOltp } from './oltp.js';
import { benchPinned } from './pinned.js';
import { benchProbes } from './probes.js';
import { benchStaleness } from './staleness.js';

const HELP = `npm run bench -- [NAME …] [options]

  oltp       sysbench directly, through HAProxy and through rwsplit, in turn: CPU time for each query, throughput, p95
  pinned     the same statements of sessions that share connections, and of sessions that keep theirs: CPU time for each query
  many       5,000 clients, 1,000 of them at work, over 20 connections a node, and directly: errors, memory for each idle client
  large      a result of 1 GB through rwsplit: its memory
  probes     what looking at three nodes four times a second costs the proxy: idle, and beside oltp_point_select
  classify   what deciding for a statement costs
  driver     what a statement costs an application's process with the driver, in pairs beside a pool of mysql2
  levels     what it costs that sessions see their own writes: CPU time for each query under eventual and session, in turn
  balance    how even turns are, over 100,000 reads; p99 of reads by each policy while one replica is four times slower
  staleness  sessions of all levels while replicas are late by turns: reads that are older than promised, beside a bare round robin.
             Ends with 1 where there is one
  failover   the primary killed, frozen, cut off, under writers; then planned switchovers: how long they wait, what is lost.
             Ends with 1 where anything is, or somebody was promoted who should not have been
  driver-failover  the same with the driver alone, without a proxy

All of them when none is named.
  --rounds N     (3)      how often each way is measured; medians are shown
  --seconds N    (10)     how long each measurement takes
  --switchovers N (100)   how many of them
  --kinds A,B    (killed,frozen,cut,unreachable,lagging)  which faults of a primary
  --clients N,M  (16,64)  sysbench's threads
`;

/** What `npm run bench` runs. @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '10' },
      clients: { type: 'string', default: '16,64' },
      switchovers: { type: 'string', default: '100' },
      kinds: { type: 'string', default: FAULTS.join(',') },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const failover = async (through: 'proxy' | 'driver'): Promise<boolean> =>
    benchFailover({
      kinds: faultsOf(values.kinds),
      rounds: Number(values.rounds),
      switchovers: Number(values.switchovers),
      through,
    });
  const benchmarks: Readonly<Record<string, () => Promise<boolean | void>>> = {
    oltp: async () =>
      benchOltp({
        rounds: Number(values.rounds),
        seconds: Number(values.seconds),
        clients: values.clients.split(',').map(Number),
      }),
    pinned: async () => benchPinned({ rounds: Number(values.rounds), seconds: Number(values.seconds) }),
    many: async () => benchManyClients({ seconds: Number(values.seconds), clients: 5_000, active: 1_000 }),
    large: benchLargeResult,
    probes: async () => benchProbes({ rounds: Number(values.rounds), seconds: Number(values.seconds) }),
    classify: benchClassify,
    driver: async () => benchDriver({ rounds: Number(values.rounds) * 10 }),
    levels: async () => benchLevels({ rounds: Number(values.rounds), seconds: Number(values.seconds) }),
    balance: async () => benchBalance({ rounds: Number(values.rounds), seconds: Number(values.seconds) }),
    failover: async () => failover('proxy'),
    'driver-failover': async () => failover('driver'),
    staleness: async () => benchStaleness({ seconds: Number(values.seconds) }),
  };
  let wrong = false;
  for (const name of positionals.length > 0 ? positionals : Object.keys(benchmarks)) {
    const run = benchmarks[name];
    if (run === undefined) {
      process.stderr.write(`rwsplit: there is no benchmark '${name}'\n${HELP}`);
      return 2;
    }
    if ((await run()) === false) wrong = true;
  }
  return wrong ? 1 : 0;
}
