import { generateKeyPair, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type Forge from 'node-forge';

/** The files in the data directory, by the names that MySQL's own have. */
const NAMES = {
  ca: 'ca.pem',
  caKey: 'ca-key.pem',
  cert: 'server-cert.pem',
  key: 'server-key.pem',
  passwordKey: 'private_key.pem',
  passwordPublicKey: 'public_key.pem',
} as const;

const VALID_YEARS = 10;
const KEY_BITS = 2048;

interface KeyPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

/**
 * The certificate with which the proxy shows itself where none was given, as MySQL does it: made once, by an authority of its own,
 * and kept, so that clients may be told to trust it (`ca.pem`).
 * @returns where they are
 */
export async function keepCertificate(directory: string): Promise<{ cert: string; key: string }> {
  const paths = { cert: join(directory, NAMES.cert), key: join(directory, NAMES.key) };
  const [cert, key] = [existsSync(paths.cert), existsSync(paths.key)];
  if (cert && key) return paths;
  if (cert || key) {
    const missing = cert ? paths.key : paths.cert;
    throw new Error(
      `${missing} is missing: put it back, or remove the other .pem files of ${directory} to have new ones made`,
    );
  }
  await makeDirectory(directory);
  const [caKeys, serverKeys] = await Promise.all([makeKeyPair(), makeKeyPair()]);
  // Only a first start needs it.
  const { default: forge } = await import('node-forge');
  const authority = makeCertificate(forge, 'rwsplit_Auto_Generated_CA_Certificate', caKeys, caKeys, undefined);
  const server = makeCertificate(
    forge,
    'rwsplit_Auto_Generated_Server_Certificate',
    serverKeys,
    caKeys,
    authority.subject.attributes,
  );
  await write(join(directory, NAMES.caKey), caKeys.privateKey, 0o600);
  await write(join(directory, NAMES.ca), forge.pki.certificateToPem(authority), 0o644);
  await write(paths.key, serverKeys.privateKey, 0o600);
  await write(paths.cert, forge.pki.certificateToPem(server), 0o644);
  return paths;
}

/** The key with which clients without TLS hide their passwords: kept, since clients may have been given its public half. */
export async function keepPasswordKey(directory: string): Promise<KeyPair> {
  const path = join(directory, NAMES.passwordKey);
  const publicPath = join(directory, NAMES.passwordPublicKey);
  if (existsSync(path) && existsSync(publicPath)) {
    return { privateKey: await readFile(path, 'utf8'), publicKey: await readFile(publicPath, 'utf8') };
  }
  await makeDirectory(directory);
  const keys = await makeKeyPair();
  await write(path, keys.privateKey, 0o600);
  await write(publicPath, keys.publicKey, 0o644);
  return keys;
}

/** An RSA key pair in PEM. */
export async function makeKeyPair(): Promise<KeyPair> {
  return promisify(generateKeyPair)('rsa', {
    modulusLength: KEY_BITS,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

/**
 * A certificate's serial number, in hexadecimal digits, of 16 bytes or so by chance. DER's integers are signed and of the fewest bytes: a first bit
 * that is set would make a negative number, leading zeros one that OpenSSL refuses as padded.
 */
export function serialNumberOf(random: Buffer): string {
  const [first = 0, ...rest] = random;
  return Buffer.from([(first & 0x3f) | 0x40, ...rest]).toString('hex');
}

/** @param issuer undefined for an authority, which signs itself */
function makeCertificate(
  forge: typeof Forge,
  name: string,
  keys: KeyPair,
  signer: KeyPair,
  issuer: Forge.pki.CertificateField[] | undefined,
): Forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(keys.publicKey);
  certificate.serialNumber = serialNumberOf(randomBytes(16));
  certificate.validity.notBefore = new Date();
  certificate.validity.notAfter = new Date();
  certificate.validity.notAfter.setFullYear(certificate.validity.notBefore.getFullYear() + VALID_YEARS);
  const subject = [{ shortName: 'CN', value: name }];
  certificate.setSubject(subject);
  certificate.setIssuer(issuer ?? subject);
  certificate.setExtensions([{ name: 'basicConstraints', cA: issuer === undefined, critical: true }]);
  certificate.sign(forge.pki.privateKeyFromPem(signer.privateKey), forge.md.sha256.create());
  return certificate;
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o750 });
    await access(path, constants.W_OK);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`keys and certificates cannot be kept in ${path}; choose another place with --data-dir (${why})`, {
      cause,
    });
  }
}

/** Whole or not at all: a start that is cut off leaves no half a file behind. */
async function write(path: string, text: string, mode: number): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  await writeFile(unfinished, text, { mode });
  await rename(unfinished, path);
}
