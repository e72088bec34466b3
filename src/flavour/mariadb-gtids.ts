import { GtidSet } from '../topology/gtid-set.js';

/** `DOMAIN-SERVER-NUMBER`. Source: MariaDB's documentation, "Global Transaction ID". */
const GTID = /^(\d+)-(\d+)-(\d+)$/;

/**
 * What a failover counts as one source's transactions: those of one server in one domain. Numbers of a domain only grow, whoever of its servers
 * makes them, so a server that had 0-1-107 where the others went on with 0-2-100 has something of its own: of each server it is enough to know
 * the last, which is what `gtid_binlog_state` has. By domains alone, 107 would look like a part of 500.
 * @param lists GTIDs with commas, as `gtid_binlog_state`, `gtid_slave_pos` and `Gtid_IO_Pos` have them
 * @throws Error for what is no list of GTIDs: nothing may be decided by what cannot be read
 */
export function mariadbGtids(...lists: readonly unknown[]): GtidSet {
  let set = GtidSet.EMPTY;
  for (const list of lists) {
    for (const gtid of (typeof list === 'string' ? list : '').split(',').map((it) => it.trim())) {
      if (gtid === '') continue;
      const [, domain, server, last] = GTID.exec(gtid) ?? [];
      const one = last === undefined ? undefined : GtidSet.parse(`${domain}-${server}:1-${last}`);
      if (one === undefined) throw new Error(`it tells of GTIDs that cannot be read: ${gtid}`);
      set = set.union(one);
    }
  }
  return set;
}

/** What a replica is to have come to: the last of each domain. */
export function mariadbPosition(gtids: GtidSet): string {
  const lastOf = new Map<string, { readonly server: string; readonly last: number }>();
  for (const source of gtids.sources()) {
    const [domain = '', server = ''] = source.split('-');
    const last = gtids.intervals(source).at(-1)?.last ?? 0;
    if (last > (lastOf.get(domain)?.last ?? 0)) lastOf.set(domain, { server, last });
  }
  return [...lastOf].map(([domain, { server, last }]) => `${domain}-${server}-${last}`).join(',');
}
