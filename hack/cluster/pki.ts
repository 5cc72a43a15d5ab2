import 'reflect-metadata'; // @peculiar/x509 needs it loaded first
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' } as const;
const LIFETIME_MS = 365 * 24 * 3600 * 1000;

/** A key and, for certificates, the certificate that goes with it; both PEM. */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** Whom a certificate names. */
export interface Subject {
  readonly commonName: string;
  /** The Kubernetes group of a client certificate. */
  readonly organization?: string;
  /** DNS names and IPv4 addresses of a serving certificate; none makes it a client certificate. */
  readonly hosts?: readonly string[];
}

/** A certificate authority that lives as long as the process; nothing but what it issued is written anywhere. */
export interface Authority {
  /** The authority's own certificate, PEM. */
  readonly certificate: string;
  /** Issues an ECDSA P-256 certificate that is valid from an hour ago (clocks differ) for a year. */
  issue(subject: Subject): Promise<Certificate>;
}

/** Creates a self-signed certificate authority. */
export async function createAuthority(commonName: string): Promise<Authority> {
  const keys = await generateKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    ...validity(),
    keys,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    certificate: root.toString('pem'),
    issue: async (subject) => {
      const leaf = await generateKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        subject: subjectName(subject),
        issuer: root.subject,
        ...validity(),
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: SIGNING_ALGORITHM,
        // RFC 5280 wants the key identifiers, and clients that are strict about it (Python 3.13) refuse a chain without.
        extensions: [...leafExtensions(subject.hosts ?? []), await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey)],
      });
      return { certificate: certificate.toString('pem'), key: await privatePem(leaf) };
    },
  };
}

/** An ECDSA P-256 key pair as PEM (PKCS#8 and SPKI), for signing service account tokens. */
export async function createKeyPair(): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const keys = await generateKeys();
  const spki = await webcrypto.subtle.exportKey('spki', keys.publicKey);
  return { privateKey: await privatePem(keys), publicKey: x509.PemConverter.encode(spki, 'PUBLIC KEY') };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

async function privatePem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
}

function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + LIFETIME_MS) };
}

function subjectName(subject: Subject): x509.JsonName {
  const name: x509.JsonName = [{ CN: [subject.commonName] }];
  if (subject.organization !== undefined) name.unshift({ O: [subject.organization] });
  return name;
}

function leafExtensions(hosts: readonly string[]): x509.Extension[] {
  const serving = hosts.length > 0;
  const usage = serving ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([usage]),
  ];
  if (serving) {
    const names = hosts.map((host) => ({ type: /^[\d.]+$/.test(host) ? 'ip' : 'dns', value: host }) as const);
    extensions.push(new x509.SubjectAlternativeNameExtension([...names]));
  }
  return extensions;
}
