import { BlockList, isIP } from 'node:net';

/** Addresses that are in one of some networks. */
export class Networks {
  readonly #list = new BlockList();
  readonly isEmpty: boolean;

  /** @param texts each an address or a network: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`. @throws Error for any other text */
  constructor(texts: readonly string[]) {
    this.isEmpty = texts.length === 0;
    for (const text of texts) this.#add(text);
  }

  has(address: string): boolean {
    const plain = plainAddress(address);
    const family = familyOf(plain);
    return family !== undefined && this.#list.check(plain, family);
  }

  #add(text: string): void {
    const [address = '', prefix, ...rest] = text.split('/');
    const family = familyOf(address);
    const max = family === 'ipv4' ? 32 : 128;
    const bits = prefix === undefined ? max : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
    if (family === undefined || rest.length > 0 || bits < 0 || bits > max) {
      throw new Error(`'${text}' is no network: write an address, or one with a prefix length, such as 10.0.0.0/8`);
    }
    this.#list.addSubnet(address, bits, family);
  }
}

/** An IPv4 address that a socket for both families shows as `::ffff:10.0.0.1` is written as everywhere else. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  switch (isIP(address)) {
    case 4:
      return 'ipv4';
    case 6:
      return 'ipv6';
    default:
      return undefined;
  }
}
