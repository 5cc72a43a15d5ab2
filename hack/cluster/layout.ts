import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { writeKubeconfig } from './kubeconfig.ts';
import { isAlive } from './lock.ts';
import { createAuthority, createKeyPair, type Authority } from './pki.ts';

const PREFIX = 'lablet-controlplane-';

/** The files of one control plane, all below one directory that only its owner may enter. */
export interface Layout {
  readonly directory: string;
  readonly etcdSocket: string;
  readonly authority: string;
  readonly serving: FilePair;
  readonly tokenKeys: { readonly privateKey: string; readonly publicKey: string };
  readonly authentication: string;
  readonly auditPolicy: string;
  readonly auditLog: string;
  readonly adminKubeconfig: string;
  readonly controllerManagerKubeconfig: string;
  /** The administrator's client certificate, for our own health checks. */
  readonly admin: FilePair;
}

interface FilePair {
  readonly certificate: string;
  readonly key: string;
}

/**
 * A new directory for a control plane of this process. Those of processes that were killed before they could clean up
 * are removed on this occasion.
 */
export async function createLayout(): Promise<Layout> {
  for (const name of await readdir(tmpdir())) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  return layoutOf(await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)));
}

function layoutOf(directory: string): Layout {
  const at = (name: string): string => join(directory, name);
  return {
    directory,
    etcdSocket: at('etcd.sock'),
    authority: at('ca.crt'),
    serving: { certificate: at('apiserver.crt'), key: at('apiserver.key') },
    tokenKeys: { privateKey: at('tokens.key'), publicKey: at('tokens.pub') },
    authentication: at('authentication.yaml'),
    auditPolicy: at('audit-policy.yaml'),
    auditLog: at('audit.log'),
    adminKubeconfig: at('kubeconfig'),
    controllerManagerKubeconfig: at('controller-manager.kubeconfig'),
    admin: { certificate: at('admin.crt'), key: at('admin.key') },
  };
}

/** Anonymous requests may ask after the server's health and nothing else. */
const AUTHENTICATION = stringify({
  apiVersion: 'apiserver.config.k8s.io/v1',
  kind: 'AuthenticationConfiguration',
  anonymous: { enabled: true, conditions: [{ path: '/healthz' }, { path: '/livez' }, { path: '/readyz' }] },
});

/**
 * One line for each finished write, and for each read by a ServiceAccount of the namespace lablet-system (two for a watch:
 * its begin and its end): who, what, when; no bodies.
 */
const AUDIT_POLICY = stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  omitManagedFields: true,
  rules: [
    { level: 'Metadata', verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'] },
    { level: 'Metadata', userGroups: ['system:serviceaccounts:lablet-system'] },
    { level: 'None' },
  ],
});

/** Writes keys, certificates and policies; all of them belong to this control plane only. */
export async function writeCredentials(layout: Layout): Promise<Authority> {
  const authority = await createAuthority('lablet-controlplane');
  const serving = await authority.issue({ commonName: 'kube-apiserver', hosts: ['127.0.0.1', 'localhost', 'kubernetes.default.svc', '10.96.0.1'] });
  const admin = await authority.issue({ commonName: 'admin', organization: 'system:masters' });
  const tokenKeys = await createKeyPair();
  const files: readonly (readonly [path: string, content: string])[] = [
    [layout.authority, authority.certificate],
    [layout.serving.certificate, serving.certificate],
    [layout.serving.key, serving.key],
    [layout.admin.certificate, admin.certificate],
    [layout.admin.key, admin.key],
    [layout.tokenKeys.privateKey, tokenKeys.privateKey],
    [layout.tokenKeys.publicKey, tokenKeys.publicKey],
    [layout.authentication, AUTHENTICATION],
    [layout.auditPolicy, AUDIT_POLICY],
  ];
  // The directory is closed to others (mkdtemp), so the files need no modes of their own.
  await Promise.all(files.map(([path, content]) => writeFile(path, content)));
  return authority;
}

/** Writes the kubeconfigs of the administrator and of the controller manager for the API server at `port`. */
export async function writeKubeconfigs(layout: Layout, authority: Authority, port: number): Promise<void> {
  const write = async (path: string, user: string, organization?: string): Promise<void> => {
    const credentials = await authority.issue({ commonName: user, ...(organization === undefined ? {} : { organization }) });
    await writeKubeconfig(path, { server: `https://127.0.0.1:${port}`, authority: authority.certificate, user, credentials });
  };
  await write(layout.adminKubeconfig, 'admin', 'system:masters');
  await write(layout.controllerManagerKubeconfig, 'system:kube-controller-manager');
}
