import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KubeClient } from '../../../src/kube/client.ts';
import { AlreadyExistsError, ConflictError, ForbiddenError, InvalidError, NotFoundError } from '../../../src/kube/errors.ts';
import { loadConnection } from '../../../src/kube/kubeconfig.ts';
import { addFinalizerPatch, removeFinalizerPatch } from '../../../src/kube/patch.ts';
import { splitKey, type KubeObject, type Resource } from '../../../src/kube/types.ts';
import { testCluster } from '../../support/cluster.ts';
import { CONFIG_MAPS, type ConfigMap } from '../../support/kube-objects.ts';

interface Namespace extends KubeObject {
  status?: { phase?: string };
}
const NAMESPACES: Resource<Namespace> = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };
const SERVICE_ACCOUNTS: Resource = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true };
interface Lease extends KubeObject {
  spec?: { holderIdentity?: string };
}
const LEASES: Resource<Lease> = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true };
interface TokenReview extends KubeObject {
  spec: { token: string };
  status?: { authenticated?: boolean; user?: { username?: string } };
}
const TOKEN_REVIEWS: Resource<TokenReview> = { group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews', kind: 'TokenReview', namespaced: false };

const cluster = testCluster();
let client: KubeClient;
let namespace: string;
beforeAll(async () => {
  client = new KubeClient(await loadConnection({ kubeconfig: cluster.kubeconfigPath }), { fieldManager: 'kube-test' });
  namespace = await cluster.freshNamespace('kube-client');
});
afterAll(async () => {
  await client.close();
});

const create = (name: string, data: Record<string, string> = {}): Promise<ConfigMap> => client.create(CONFIG_MAPS, { metadata: { name, namespace }, data });

test('an object is created, read, listed, changed in four ways and deleted', async () => {
  const created = await create('life', { a: '1' });
  expect(created).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } });
  expect(await client.get(CONFIG_MAPS, 'life', namespace)).toEqual(created);
  const merged = await client.mergePatch(CONFIG_MAPS, 'life', namespace, { data: { a: null, b: '2' } });
  expect(merged.data).toEqual({ b: '2' });
  const patched = await client.jsonPatch(CONFIG_MAPS, 'life', namespace, [{ op: 'test', path: '/data/b', value: '2' }, { op: 'replace', path: '/data/b', value: '3' }]);
  expect(patched.data).toEqual({ b: '3' });
  const applied = await client.apply(CONFIG_MAPS, 'life', namespace, { data: { c: '4' } }, { fieldManager: 'applier' });
  expect(applied.data).toEqual({ b: '3', c: '4' });
  const updated = await client.update(CONFIG_MAPS, { ...applied, data: { d: '5' } });
  expect(updated.data).toEqual({ d: '5' });
  const { items } = await client.list(CONFIG_MAPS, { namespace, fieldSelector: 'metadata.name=life' });
  expect(items).toEqual([updated]);
  await client.delete(CONFIG_MAPS, 'life', namespace);
  await expect(client.get(CONFIG_MAPS, 'life', namespace)).rejects.toBeInstanceOf(NotFoundError);
});

describe('the API server refuses', () => {
  test('a second object of one name', async () => {
    await create('twice');
    await expect(create('twice')).rejects.toBeInstanceOf(AlreadyExistsError);
  });

  test('a patch that was made from an older version', async () => {
    const old = await create('stale');
    await client.mergePatch(CONFIG_MAPS, 'stale', namespace, { data: { a: '1' } });
    const patch = { metadata: { resourceVersion: old.metadata.resourceVersion }, data: { a: '2' } };
    await expect(client.mergePatch(CONFIG_MAPS, 'stale', namespace, patch)).rejects.toBeInstanceOf(ConflictError);
    await expect(client.update(CONFIG_MAPS, old)).rejects.toBeInstanceOf(ConflictError);
  });

  test('a JSON patch whose test fails', async () => {
    await create('tested', { a: '1' });
    await expect(client.jsonPatch(CONFIG_MAPS, 'tested', namespace, [{ op: 'test', path: '/data/a', value: '9' }])).rejects.toBeInstanceOf(InvalidError);
  });

  test('an apply of a field that another manager owns, unless it is forced', async () => {
    await client.apply(CONFIG_MAPS, 'owned', namespace, { data: { a: '1' } }, { fieldManager: 'first' });
    await expect(client.apply(CONFIG_MAPS, 'owned', namespace, { data: { a: '2' } }, { fieldManager: 'second' })).rejects.toBeInstanceOf(ConflictError);
    const forced = await client.apply<ConfigMap>(CONFIG_MAPS, 'owned', namespace, { data: { a: '2' } }, { fieldManager: 'second', force: true });
    expect(forced.data).toEqual({ a: '2' });
  });

  test('the deletion of an object that is another by now', async () => {
    const old = await create('replaced');
    await client.delete(CONFIG_MAPS, 'replaced', namespace);
    await create('replaced');
    await expect(client.delete(CONFIG_MAPS, 'replaced', namespace, { preconditions: { uid: old.metadata.uid } })).rejects.toBeInstanceOf(ConflictError);
  });

  test('what a ServiceAccount has no right to', async () => {
    const weak = new KubeClient(await loadConnection({ kubeconfig: await cluster.createServiceAccountKubeconfig(namespace, 'default') }));
    await expect(weak.list(CONFIG_MAPS, { namespace })).rejects.toBeInstanceOf(ForbiddenError);
    await weak.close();
  });
});

describe('finalizers', () => {
  test('are added and removed one by one, beside those of others', async () => {
    const bare = await create('held');
    const ours = await client.jsonPatch(CONFIG_MAPS, 'held', namespace, addFinalizerPatch(bare, 'lablet.dev/ours') ?? []);
    expect(ours.metadata.finalizers).toEqual(['lablet.dev/ours']);
    expect(addFinalizerPatch(ours, 'lablet.dev/ours')).toBeUndefined();
    const both = await client.jsonPatch(CONFIG_MAPS, 'held', namespace, addFinalizerPatch(ours, 'lablet.dev/theirs') ?? []);
    const theirs = await client.jsonPatch(CONFIG_MAPS, 'held', namespace, removeFinalizerPatch(both, 'lablet.dev/ours') ?? []);
    expect(theirs.metadata.finalizers).toEqual(['lablet.dev/theirs']);
    await client.jsonPatch(CONFIG_MAPS, 'held', namespace, removeFinalizerPatch(theirs, 'lablet.dev/theirs') ?? []);
  });

  test('made from a stale read, never overwrite those of others', async () => {
    const bare = await create('contended');
    await client.jsonPatch(CONFIG_MAPS, 'contended', namespace, addFinalizerPatch(bare, 'lablet.dev/theirs') ?? []);
    await expect(client.jsonPatch(CONFIG_MAPS, 'contended', namespace, addFinalizerPatch(bare, 'lablet.dev/ours') ?? [])).rejects.toBeInstanceOf(InvalidError);
    const now = await client.get(CONFIG_MAPS, 'contended', namespace);
    expect(now.metadata.finalizers).toEqual(['lablet.dev/theirs']);
    await client.jsonPatch(CONFIG_MAPS, 'contended', namespace, removeFinalizerPatch(now, 'lablet.dev/theirs') ?? []);
  });
});

describe('lists', () => {
  test('come in pages of one version', async () => {
    const paged = await cluster.freshNamespace('kube-pages');
    await Promise.all(Array.from({ length: 25 }, (_, index) => client.create(CONFIG_MAPS, { metadata: { name: `p-${index}`, namespace: paged, labels: { page: 'yes' } } })));
    const names: string[] = [];
    const versions = new Set<string>();
    let token: string | undefined;
    do {
      const page = await client.list(CONFIG_MAPS, { namespace: paged, labelSelector: 'page=yes', limit: 10, continue: token });
      names.push(...page.items.map((item) => item.metadata.name));
      versions.add(page.resourceVersion);
      token = page.continue;
    } while (token !== undefined);
    expect(new Set(names).size).toBe(25);
    expect(versions.size).toBe(1);
  });

  test('of metadata only leave out the rest', async () => {
    await create('thin', { a: '1' });
    const { items } = await client.list(CONFIG_MAPS, { namespace, fieldSelector: 'metadata.name=thin', metadataOnly: true });
    expect(items[0]?.metadata.name).toBe('thin');
    expect(items[0]).not.toHaveProperty('data');
  });
});

test('a watch tells what happened after its version', async () => {
  const { resourceVersion } = await client.list(CONFIG_MAPS, { namespace });
  const told: string[] = [];
  const stop = new AbortController();
  await create('watched');
  await client.mergePatch(CONFIG_MAPS, 'watched', namespace, { data: { a: '1' } });
  await client.delete(CONFIG_MAPS, 'watched', namespace);
  for await (const event of client.watch(CONFIG_MAPS, { namespace, resourceVersion, signal: stop.signal })) {
    told.push(event.type);
    if (event.type === 'DELETED') break;
  }
  expect(told).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
});

test('a lease is replaced on the condition of its version', async () => {
  const lease = await client.create(LEASES, { metadata: { name: 'leader', namespace }, spec: { holderIdentity: 'one' } });
  const taken = await client.update(LEASES, { ...lease, spec: { holderIdentity: 'two' } });
  expect(taken.spec?.holderIdentity).toBe('two');
  await expect(client.update(LEASES, { ...lease, spec: { holderIdentity: 'three' } })).rejects.toBeInstanceOf(ConflictError);
});

test('a token of a ServiceAccount is issued and reviewed', async () => {
  const issued = await client.createSubresource(SERVICE_ACCOUNTS, 'default', namespace, 'token', { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } });
  const { token } = (issued as { status: { token: string } }).status;
  const review = await client.create(TOKEN_REVIEWS, { metadata: {}, spec: { token } });
  expect(review.status).toMatchObject({ authenticated: true, user: { username: `system:serviceaccount:${namespace}:default` } });
});

test('raw reaches what has no method', async () => {
  await expect(client.raw('GET', '/readyz')).resolves.toBe('ok');
  await expect(client.raw('GET', '/version')).resolves.toHaveProperty('gitVersion');
});

test('cluster-scoped objects need no namespace', async () => {
  await expect(client.get(NAMESPACES, namespace)).resolves.toMatchObject({ status: { phase: 'Active' } });
  expect(splitKey('team/one')).toEqual({ namespace: 'team', name: 'one' });
  expect(splitKey('one')).toEqual({ name: 'one' });
});
