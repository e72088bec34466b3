import { isScalar } from 'yaml';
import { PREFERENCES, type Preference } from '../../src/failover/view.js';
import { BALANCE_POLICIES } from '../../src/topology/balance/policy.js';
import type { BalanceOptions } from '../options.js';
import type { ConfigReader, Section } from './config-reader.js';

/** A server of the cluster, as it is named. */
export interface NodeOptions {
  /** `HOST:PORT` */
  readonly address: string;
  readonly weight?: number | undefined;
  readonly zone?: string | undefined;
  /** Whether it may become the primary. */
  readonly promotion?: Preference | undefined;
}

/** Each an address, or a map with one. */
export function readNodes(reader: ConfigReader, node: unknown): NodeOptions[] | undefined {
  return reader.items(node, 'nodes')?.map((item, index) => {
    const where = `nodes[${index}]`;
    if (isScalar(item)) return { address: reader.string(item, where) ?? reader.fail(item, `${where} is empty`) };
    const entries = reader.map(item, where, ['address', 'weight', 'zone', 'promotion']);
    return {
      address:
        reader.string(entries.get('address'), `${where}.address`) ?? reader.fail(item, `${where} has no address`),
      weight: reader.count(entries.get('weight'), `${where}.weight`),
      zone: reader.string(entries.get('zone'), `${where}.zone`),
      promotion: reader.choice(entries.get('promotion'), `${where}.promotion`, PREFERENCES),
    };
  });
}

export function readBalance(reader: ConfigReader, top: Section): BalanceOptions {
  const balance = reader.section(top, 'balance', ['policy', 'primary_share', 'zone', 'primary_reads_max']);
  return {
    policy: reader.choice(balance.get('policy'), 'balance.policy', BALANCE_POLICIES),
    primaryShare: reader.part(balance.get('primary_share'), 'balance.primary_share'),
    zone: reader.string(balance.get('zone'), 'balance.zone'),
    primaryReadsMax: reader.count(balance.get('primary_reads_max'), 'balance.primary_reads_max'),
  };
}
