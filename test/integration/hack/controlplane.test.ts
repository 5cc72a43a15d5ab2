import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { kubectlFor } from '../../../hack/cluster/kubectl.ts';
import { testCluster, type TestCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';

let cluster: TestCluster;
let namespace: string;

beforeAll(async () => {
  cluster = testCluster();
  namespace = await cluster.freshNamespace('controlplane');
});

const configMap = (name: string, metadata: object = {}): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, ...metadata } });

async function statusOfAnonymousGet(path: string): Promise<number | undefined> {
  const ca = await readFile(cluster.caFile);
  return new Promise((resolve, reject) => {
    get(`${cluster.server}${path}`, { ca }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
}

describe('who may do what', () => {
  test('a request without credentials reaches the health endpoints only', async () => {
    expect(await statusOfAnonymousGet('/readyz')).toBe(200);
    expect(await statusOfAnonymousGet('/api')).toBe(401);
    expect(await statusOfAnonymousGet('/version')).toBe(401);
  });

  test('a ServiceAccount may do nothing until a role says so', async () => {
    await cluster.kubectl(['create', 'serviceaccount', 'reader', '-n', namespace]);
    const kubeconfig = await cluster.createServiceAccountKubeconfig(namespace, 'reader');
    const asReader = kubectlFor(cluster.kubectlProgram, kubeconfig, `${kubeconfig}.cache`);
    await expect(asReader(['get', 'configmaps'])).rejects.toThrow(/forbidden/);

    await cluster.kubectl(['create', 'role', 'reader', '-n', namespace, '--verb=get,list', '--resource=configmaps']);
    await cluster.kubectl(['create', 'rolebinding', 'reader', '-n', namespace, '--role=reader', `--serviceaccount=${namespace}:reader`]);
    await eventually(() => asReader(['get', 'configmaps']));
    await expect(asReader(['get', 'secrets'])).rejects.toThrow(/forbidden/);
  });

  test('a pod that asks for privileges is refused in a namespace under the restricted standard', async () => {
    const restricted = await cluster.freshNamespace('restricted');
    await cluster.kubectl(['label', 'namespace', restricted, 'pod-security.kubernetes.io/enforce=restricted']);
    const run = ['run', 'shell', '-n', restricted, '--image=example.com/shell', '--privileged'];
    await expect(cluster.kubectl(run)).rejects.toThrow(/violates PodSecurity "restricted/);
  });
});

describe('what the controllers do', () => {
  test('an object goes when its owner goes', async () => {
    const owner = await cluster.kubectl(['create', '-f-', '-o=jsonpath={.metadata.uid}'], configMap('owner'));
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner }];
    await cluster.kubectl(['create', '-f-'], configMap('owned', { ownerReferences }));

    await cluster.kubectl(['delete', 'configmap', 'owner', '-n', namespace]);
    await eventually(() => expect(cluster.kubectl(['get', 'configmap', 'owned', '-n', namespace])).rejects.toThrow(/NotFound/));
  });

  test('a deleted namespace disappears with all that is in it', async () => {
    const doomed = await cluster.freshNamespace('doomed');
    await cluster.kubectl(['create', 'configmap', 'inside', '-n', doomed]);
    await cluster.kubectl(['delete', 'namespace', doomed, '--wait=false']);
    await eventually(() => expect(cluster.kubectl(['get', 'namespace', doomed])).rejects.toThrow(/NotFound/));
  });

  test('a quota is counted and enforced', async () => {
    await cluster.kubectl(['create', 'quota', 'two-secrets', '-n', namespace, '--hard=count/secrets=2']);
    await eventually(async () => {
      expect(await cluster.kubectl(['get', 'quota', 'two-secrets', '-n', namespace, '-o=jsonpath={.status.hard.count/secrets}'])).toBe('2');
    });
    await cluster.kubectl(['create', 'secret', 'generic', 'first', '-n', namespace]);
    await cluster.kubectl(['create', 'secret', 'generic', 'second', '-n', namespace]);
    await expect(cluster.kubectl(['create', 'secret', 'generic', 'third', '-n', namespace])).rejects.toThrow(/exceeded quota: two-secrets/);
  });

  test('a Deployment gets its ReplicaSet and its pods', async () => {
    await cluster.kubectl(['create', 'deployment', 'web', '-n', namespace, '--image=example.com/web', '--replicas=2']);
    await eventually(async () => {
      const pods = await cluster.kubectl(['get', 'pods', '-n', namespace, '-l=app=web', '-o=name']);
      expect(pods.trim().split('\n')).toHaveLength(2);
    });
  });
});

test('the audit log names who wrote what, once for each write', async () => {
  await cluster.kubectl(['create', '-f-'], configMap('audited'));
  await cluster.kubectl(['get', 'configmap', 'audited', '-n', namespace]);
  const lines = (await readFile(cluster.auditLog, 'utf8')).trimEnd().split('\n');
  const entries = lines.filter((line) => line.includes(`"name":"audited"`)).map((line) => JSON.parse(line) as unknown);
  expect(entries).toHaveLength(1);
  expect(entries[0]).toMatchObject({ stage: 'ResponseComplete', verb: 'create', user: { username: 'admin' }, objectRef: { resource: 'configmaps', namespace } });
});
