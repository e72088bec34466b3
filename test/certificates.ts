import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import forge from 'node-forge';
import { makeKeyPair } from '../proxy/tls/self-made-certificates.js';

/** A certificate and its key, as files and as texts. */
export interface Issued {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority that signs certificates for a test. */
export class TestAuthority {
  readonly caPath: string;
  readonly ca: string;
  readonly #directory: string;
  readonly #certificate: forge.pki.Certificate;
  readonly #key: forge.pki.rsa.PrivateKey;

  private constructor(directory: string, certificate: forge.pki.Certificate, key: forge.pki.rsa.PrivateKey) {
    this.#directory = directory;
    this.#certificate = certificate;
    this.#key = key;
    this.caPath = join(directory, 'authority.pem');
    this.ca = forge.pki.certificateToPem(certificate);
  }

  static async make(directory: string): Promise<TestAuthority> {
    const keys = await makeKeyPair();
    const certificate = unsigned('test authority', keys.publicKey);
    certificate.setIssuer(certificate.subject.attributes);
    certificate.setExtensions([{ name: 'basicConstraints', cA: true, critical: true }]);
    const key = forge.pki.privateKeyFromPem(keys.privateKey);
    certificate.sign(key, forge.md.sha256.create());
    const authority = new TestAuthority(directory, certificate, key);
    await writeFile(authority.caPath, authority.ca);
    return authority;
  }

  /** @param name the common name, and the files' @param ip an address that the certificate is for, too */
  async issue(name: string, ip?: string): Promise<Issued> {
    const keys = await makeKeyPair();
    const certificate = unsigned(name, keys.publicKey);
    certificate.setIssuer(this.#certificate.subject.attributes);
    if (ip !== undefined) certificate.setExtensions([{ name: 'subjectAltName', altNames: [{ type: 7, ip }] }]);
    certificate.sign(this.#key, forge.md.sha256.create());
    const issued = {
      certPath: join(this.#directory, `${name}-cert.pem`),
      keyPath: join(this.#directory, `${name}-key.pem`),
      cert: forge.pki.certificateToPem(certificate),
      key: keys.privateKey,
    };
    await writeFile(issued.certPath, issued.cert);
    await writeFile(issued.keyPath, issued.key);
    return issued;
  }
}

let lastSerial = 0;

function unsigned(name: string, publicKey: string): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = String(++lastSerial).padStart(2, '0');
  certificate.validity.notAfter = new Date(Date.now() + 86_400_000);
  certificate.setSubject([{ shortName: 'CN', value: name }]);
  return certificate;
}
