import { BlockList, isIP } from 'node:net';

interface Network {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly prefixBits: number;
}

/** @param text an address or a network: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7` */
export function parseNetwork(text: string): Network | undefined {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = familyOf(address);
  const max = family === 'ipv4' ? 32 : 128;
  const prefixBits = prefix === undefined ? max : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (family === undefined || rest.length > 0 || prefixBits < 0 || prefixBits > max) return undefined;
  return { address, family, prefixBits };
}

export function notANetwork(text: string): string {
  return `'${text}' is no network: write an address, or one with a prefix length, such as 10.0.0.0/8`;
}

/** Addresses that are in one of some networks. */
export class Networks {
  readonly #list = new BlockList();

  /** @throws Error for a text that is no network */
  constructor(texts: readonly string[]) {
    for (const text of texts) {
      const network = parseNetwork(text);
      if (network === undefined) throw new Error(notANetwork(text));
      this.#list.addSubnet(network.address, network.prefixBits, network.family);
    }
  }

  has(address: string): boolean {
    const plain = plainAddress(address);
    const family = familyOf(plain);
    return family !== undefined && this.#list.check(plain, family);
  }
}

/** An IPv4 address that a socket for both families shows as `::ffff:10.0.0.1` is written as everywhere else. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

function familyOf(address: string): Network['family'] | undefined {
  switch (isIP(address)) {
    case 4:
      return 'ipv4';
    case 6:
      return 'ipv6';
    default:
      return undefined;
  }
}
