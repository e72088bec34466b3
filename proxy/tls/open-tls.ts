import { createPrivateKey } from 'node:crypto';
import { DEFAULTS } from '../../src/defaults.js';
import { verifiesPeer } from '../../src/protocol/tls-mode.js';
import type { Log } from '../../src/runtime/log.js';
import { ServerTls } from '../../src/runtime/tls/server-tls.js';
import { TlsFiles } from '../../src/runtime/tls/tls-files.js';
import type { RsaKey } from '../client-login.js';
import type { TlsOptions } from '../options.js';
import { ClientTls } from './client-tls.js';
import { keepCertificate, keepPasswordKey, makeKeyPair } from './self-made-certificates.js';

/** With what clients without TLS hide the passwords that they tell. */
export async function openPasswordKey(dataDirectory: string | undefined): Promise<RsaKey> {
  const keys = dataDirectory === undefined ? await makeKeyPair() : await keepPasswordKey(dataDirectory);
  return { privateKey: createPrivateKey(keys.privateKey), publicPem: Buffer.from(keys.publicKey) };
}

export async function openClientTls(
  options: TlsOptions | undefined,
  dataDirectory: string | undefined,
  log: Log,
): Promise<ClientTls | undefined> {
  if (options === undefined || options.mode === 'off') return undefined;
  const { mode, cert, key, ca, minVersion = DEFAULTS.tlsMinVersion } = options;
  if (verifiesPeer(mode) && ca === undefined) {
    throw new Error(`tls to clients is '${mode}': name the authorities that sign their certificates with tls.ca`);
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new Error('tls to clients needs both, tls.cert and tls.key, or neither');
  }
  if (cert === undefined && dataDirectory === undefined) {
    throw new Error('tls to clients needs tls.cert and tls.key, or a data directory in which rwsplit keeps its own');
  }
  const own = cert === undefined && dataDirectory !== undefined ? await keepCertificate(dataDirectory) : { cert, key };
  return new ClientTls(mode, new TlsFiles({ ...own, ca }, { minVersion }, log));
}

export function openServerTls(options: TlsOptions = { mode: 'off' }, log: Log): ServerTls {
  const { mode, cert, key, ca, minVersion = DEFAULTS.tlsMinVersion } = options;
  return new ServerTls(mode, new TlsFiles({ cert, key, ca }, { minVersion }, log));
}
