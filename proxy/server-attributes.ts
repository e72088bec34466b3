import { ByteReader } from '../src/protocol/byte-reader.js';
import { encodeConnectionAttributes } from '../src/protocol/packets/handshake-response.js';

/**
 * Which of a client's connection attributes its server connections have, beside the proxy's own. Servers take them with the login only,
 * so what is to be true of each connection has to be true of all clients that share it:
 *
 * - `program`: what is the same for all processes of a program: clients of different programs share no connections;
 * - `client`: all, and the client's address: clients of different processes share none;
 * - `none`.
 */
export const ATTRIBUTE_SCOPES = ['program', 'client', 'none'] as const;
export type AttributeScope = (typeof ATTRIBUTE_SCOPES)[number];

/** No client can pretend to be the proxy. */
const OURS = 'rwsplit_';
/** Of one process, or one connection of it. */
const OF_PROCESS: ReadonlySet<string> = new Set(['_pid', '_thread', '_server_host', '_client_host', '_runtime_pid']);
/** Servers keep 512 bytes by default, ours among them; a client that sends much more gets none of its own handed on. */
const MAX_BYTES = 4_096;

/** @param attributes as the client's login has them @returns those that are handed on */
export function handedOn(attributes: Buffer, scope: AttributeScope, address: string): Readonly<Record<string, string>> {
  if (scope === 'none' || attributes.length > MAX_BYTES) return {};
  const pairs = decode(attributes).filter(([name]) => !name.startsWith(OURS));
  if (scope === 'client') return Object.fromEntries([...pairs, [`${OURS}client_address`, address]]);
  return Object.fromEntries(pairs.filter(([name]) => !OF_PROCESS.has(name)));
}

/** @param client as {@link handedOn} gives them: they take the place of the proxy's own of the same name */
export function encodeAttributes(
  client: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): Buffer {
  return encodeConnectionAttributes({ ...own, ...client });
}

/** What cannot be read is as good as not said: a server would see it so, too. */
function decode(attributes: Buffer): [name: string, value: string][] {
  const reader = new ByteReader(attributes);
  const pairs: [string, string][] = [];
  while (reader.remaining > 0 && !reader.failed) {
    pairs.push([reader.lenencBytes().toString('utf8'), reader.lenencBytes().toString('utf8')]);
  }
  return reader.failed ? [] : pairs;
}
