import type { NodeState } from './view.js';

/** Where a server is reached. */
interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * By which address its replicas reach a source. Those of MariaDB do not tell which server that is: they have to be named as here (README.md).
 * @returns undefined where nobody receives from it now
 */
function addressAmongServers({ serverUuid }: NodeState, nodes: readonly NodeState[]): Address | undefined {
  const follower = nodes.find(({ replica }) => replica?.sourceUuid === serverUuid && replica.receiver === 'on');
  return follower?.replica && { host: follower.replica.sourceHost, port: follower.replica.sourcePort };
}

/** Whether servers reach each other by other addresses than those by which we reach them: behind published ports, say, or in a network of their own. */
export function isNamedOtherwise(nodes: readonly NodeState[]): boolean {
  return nodes.some((node) => {
    const { host, port } = addressAmongServers(node, nodes) ?? node;
    return host !== node.host || port !== node.port;
  });
}

/**
 * Nodes with the addresses by which other servers reach them, as far as they are known: what a replica is told to follow.
 * @param namedOtherwise {@link isNamedOtherwise}, now or before: then a server's own word counts, where its replicas have none
 */
export function withServersAddresses(nodes: readonly NodeState[], namedOtherwise: boolean): NodeState[] {
  return nodes.map((node) => {
    const address = addressAmongServers(node, nodes) ?? (namedOtherwise ? node.reported : undefined);
    return address === undefined ? node : { ...node, ...address };
  });
}
