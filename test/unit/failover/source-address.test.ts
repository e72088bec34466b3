import { describe, expect, it } from 'vitest';
import { isNamedOtherwise, withServersAddresses } from '../../../src/failover/source-address.js';
import { follows, type NodeState } from '../../../src/failover/view.js';
import { primaryOf, replicaOf } from './cluster-of.js';

const REPORTED = { host: 'mysql-2', port: 3306 };

/** Who follows db1. */
function follower(sourceHost: string, change: Partial<NodeState> = {}): NodeState {
  return replicaOf(2, '1-5', '1-5', change, { sourceHost });
}

function addressesOf(nodes: readonly NodeState[], namedOtherwise = isNamedOtherwise(nodes)): string[] {
  return withServersAddresses(nodes, namedOtherwise).map(({ host, port }) => `${host}:${port}`);
}

describe('what a replica is told to follow', () => {
  it('is what the configuration says, where servers say the same', () => {
    const nodes = [primaryOf('1-5'), follower('db1', { reported: REPORTED })];
    expect(isNamedOtherwise(nodes)).toBe(false);
    expect(addressesOf(nodes)).toEqual(['db1:3306', 'db2:3306']);
  });

  it('is what its replicas say of a source, and what a replica says of itself', () => {
    const nodes = [primaryOf('1-5'), follower('mysql-1', { reported: REPORTED })];
    expect(isNamedOtherwise(nodes)).toBe(true);
    expect(addressesOf(nodes)).toEqual(['mysql-1:3306', 'mysql-2:3306']);
  });

  it('is what the configuration says, where a replica says nothing of itself', () => {
    expect(addressesOf([primaryOf('1-5'), follower('mysql-1')])).toEqual(['mysql-1:3306', 'db2:3306']);
  });

  it('is nothing that nobody receives from', () => {
    const stopped = replicaOf(2, '1-5', '1-5', {}, { sourceHost: 'mysql-1', receiver: 'connecting' });
    expect(isNamedOtherwise([primaryOf('1-5'), stopped])).toBe(false);
    expect(addressesOf([primaryOf('1-5'), stopped], true)).toEqual(['db1:3306', 'db2:3306']);
  });

  it('stays what a server says of itself when its replicas are gone', () => {
    const alone = primaryOf('1-5', { reported: { host: 'mysql-1', port: 3306 } });
    expect(addressesOf([alone], false)).toEqual(['db1:3306']);
    expect(addressesOf([alone], true)).toEqual(['mysql-1:3306']);
  });

  it('is known again by whoever leads next, when nobody has received from there yet', () => {
    const told = replicaOf(2, '1-5', '1-5', {}, { sourceHost: 'mysql-1', sourceUuid: '', receiver: 'connecting' });
    expect(follows(told, primaryOf('1-5'))).toBe(false);
    expect(follows(told, primaryOf('1-5', { reported: { host: 'mysql-1', port: 3306 } }))).toBe(true);
  });

  it('is never changed for servers of MariaDB, whose replicas do not tell which server their source is', () => {
    const unnamed = replicaOf(2, '1-5', '1-5', {}, { sourceHost: 'mysql-1', sourceUuid: '' });
    expect(isNamedOtherwise([primaryOf('1-5'), unnamed])).toBe(false);
  });
});
