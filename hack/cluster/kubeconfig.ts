import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { Certificate } from './pki.ts';

/** One cluster, one user, one context. */
export interface Kubeconfig {
  /** https://HOST:PORT */
  readonly server: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly authority: string;
  readonly user: string;
  readonly credentials: Certificate;
}

/** Writes a kubeconfig that only its owner may read, with every certificate inside it. */
export async function writeKubeconfig(path: string, config: Kubeconfig): Promise<void> {
  const user = { 'client-certificate-data': base64(config.credentials.certificate), 'client-key-data': base64(config.credentials.key) };
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lablet',
    clusters: [{ name: 'lablet', cluster: { server: config.server, 'certificate-authority-data': base64(config.authority) } }],
    users: [{ name: config.user, user }],
    contexts: [{ name: 'lablet', context: { cluster: 'lablet', user: config.user, namespace: 'default' } }],
  };
  await writeFile(path, stringify(document), { mode: 0o600 });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
