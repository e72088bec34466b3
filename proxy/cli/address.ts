import { UsageError } from './usage-error.js';

/**
 * @param text `HOST:PORT`, `[IPV6]:PORT`, `HOST` or `:PORT`
 * @param what names the place in an error: `--node`
 */
export function parseAddress(
  text: string,
  what: string,
  defaults: { readonly host: string; readonly port: number },
): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]*))(?::(\d+))?$/.exec(text);
  const port = match?.[3] === undefined ? defaults.port : Number(match[3]);
  if (match === null || text === '' || port > 65_535) {
    throw new UsageError(`${what} takes HOST:PORT, not '${text}'`);
  }
  return { host: match[1] ?? (match[2] === '' || match[2] === undefined ? defaults.host : match[2]), port };
}
