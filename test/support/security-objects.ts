/** What stands in the cluster of the security world: rights, recognisable Secrets, hosts good and bad, definitions. */
import { resolve } from 'node:path';
import { MANAGER } from '../../src/api/group.ts';
import { LABLET_DEFINITIONS, WORKERS, WORKER_TEMPLATES } from '../../src/api/kinds.ts';
import { SYSTEM_NAMESPACE } from '../../src/api/rbac.ts';
import { CONFIGMAPS, LEASES, SECRETS } from '../../src/api/resource.ts';
import { REGION } from './ec2.ts';
import { CML_SECRET, newDefinition, newTemplate, newWorker, TOPOLOGY } from './objects.ts';
import type { ControlPlane } from '../../hack/cluster/controlplane.ts';
import type { LabletDefinition } from '../../src/api/labletdefinition.ts';
import type { KubeClient } from '../../src/kube/client.ts';

export const NAMESPACE = 'exams';

/** Found nowhere else, and of the form that each has in life. */
export const PLANTED = {
  login: 'pl4nted-login-p&ss wörd',
  wrongLogin: 'pl4nted-wrong-password',
  device: 'pl4nted-device"password',
  licence: 'pl4nted-licence-token',
  eventGridKey: 'cGw0bnRlZC1ldmVudC1ncmlkLWtleQ==',
  sinkPassword: 'pl4nted-sink-p@ssword',
  sinkQuery: 'pl4nted-sink-query',
  awsKey: 'pl4ntedAwsSecretAccessKey0000000000000000',
  collectorToken: 'pl4nted-collector-token',
  strangerToken: 'pl4nted-token-of-a-stranger',
} as const;

/** Before the controller starts: its rights, with those of all options; Secrets; the lease of a predecessor that died a moment ago. */
export async function prepare({ kubectl }: ControlPlane, client: KubeClient): Promise<void> {
  const rbac = resolve(import.meta.dirname, '../../config/rbac');
  await kubectl(['create', 'namespace', NAMESPACE]);
  await kubectl(['apply', `--filename=${rbac}`, `--filename=${rbac}/optional`]);
  for (const name of ['sender', 'reader']) await kubectl(['create', 'serviceaccount', name, `--namespace=${NAMESPACE}`]);
  await kubectl(['create', 'clusterrolebinding', 'reader', '--clusterrole=admin', `--serviceaccount=${NAMESPACE}:reader`]);
  const secret = (namespace: string, name: string, stringData: Record<string, string>) => client.create(SECRETS, { metadata: { namespace, name }, stringData });
  const login = { username: 'admin', password: PLANTED.login };
  for (const name of [CML_SECRET, 'lds-credentials', 'grading-credentials']) await secret(SYSTEM_NAMESPACE, name, login);
  await secret(SYSTEM_NAMESPACE, 'cml-wrong', { username: 'admin', password: PLANTED.wrongLogin });
  await secret(SYSTEM_NAMESPACE, 'cml-licence', { token: PLANTED.licence });
  await secret(NAMESPACE, 'edge-devices', { r1: PLANTED.device });
  const now = new Date().toISOString().replace('Z', '000Z');
  await client.create(LEASES, { metadata: { namespace: SYSTEM_NAMESPACE, name: MANAGER }, spec: { holderIdentity: 'predecessor', leaseDurationSeconds: 2, acquireTime: now, renewTime: now, leaseTransitions: 0 } });
}

/** Tokens as `kubectl create token` makes them. */
export async function tokensOf({ kubectl }: ControlPlane, audience: string): Promise<{ sender: string; reader: string }> {
  const token = async (name: string, ...more: string[]): Promise<string> => (await kubectl(['create', 'token', name, `--namespace=${NAMESPACE}`, ...more])).trim();
  return { sender: await token('sender', `--audience=${audience}`), reader: await token('reader') };
}

export interface Places {
  /** A CML that works, behind one that refuses some calls. */
  readonly cml: string;
  /** A CML that refuses every login and repeats it. */
  readonly parrot: string;
  /** The CML that works, for who comes with the wrong password. */
  readonly wrong: string;
  /** URI of a topology. */
  readonly topology: string;
  /** Port of the CML on each machine of EC2. */
  readonly cmlPort: number;
}

const GRADED: Partial<LabletDefinition['spec']> = {
  formQualifiedName: 'Exam EDGE v1', grading: { rulesUri: 's3://rules/edge.xml', cutScore: 60, onFailure: 'Stop' }, maxDuration: '4h', noShowTimeout: '0s',
  devices: [{ label: 'r1', visible: true, credentialsSecretRef: { name: 'edge-devices', key: 'r1' } }],
};

/** Templates, hosts and definitions, from every source that a topology can have. */
export async function furnish(client: KubeClient, { cml, parrot, wrong, topology, cmlPort }: Places): Promise<void> {
  await client.create(WORKER_TEMPLATES, newTemplate('onprem', { spec: { licenseTokenSecretRef: { name: 'cml-licence', key: 'token' } } }));
  await client.create(WORKER_TEMPLATES, newTemplate('spare', { spec: { cmlCredentialsSecretRef: { name: 'cml-wrong' } } }));
  await client.create(WORKER_TEMPLATES, newTemplate('metal', {
    spec: {
      provider: 'ec2', instanceType: 'm5zn.metal', imagePattern: 'cisco-cml2.9*', region: REGION, endpoint: { scheme: 'http', port: cmlPort, address: 'Private' },
      capacity: { cpu: '48', memory: '192Gi', storage: '500Gi' }, idleTimeout: '5m', stoppedTtl: '5m', maxWorkers: 1,
    },
  }));
  await client.create(WORKERS, newWorker('host-1', 'onprem', cml));
  await client.create(WORKERS, newWorker('parrot-1', 'onprem', parrot));
  await client.create(WORKERS, newWorker('wrong-1', 'spare', wrong));
  await client.create(CONFIGMAPS, { metadata: { namespace: NAMESPACE, name: 'edge' }, data: { 'edge.yaml': TOPOLOGY } });
  const define = (name: string, spec: Partial<LabletDefinition['spec']>) => client.create(LABLET_DEFINITIONS, newDefinition(NAMESPACE, name, { spec }));
  await define('edge', { ...GRADED, topology: { configMapRef: { name: 'edge', key: 'edge.yaml' } }, warmPool: { size: 1 } });
  await define('web', { topology: { uri: topology, refreshInterval: '10m' }, labReuse: false });
  // More than the hosts here have: a machine must come.
  await define('big', { resources: { cpu: '40', memory: '100Gi', storage: '100Gi' }, labReuse: false });
  await define('many', {});
}
