/** RBAC as the API server judges it: what users of the built-in roles, and the controller itself, may and may not do. */
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { MANAGER } from '../../../src/api/group.ts';
import { LEASE_NAME, SYSTEM_NAMESPACE } from '../../../src/api/rbac.ts';
import { testCluster } from '../../support/cluster.ts';
import { report, session } from './manifests.ts';

const cluster = testCluster();
const { kubectl } = cluster;
const patience = 30_000;
let namespace = '';
let own: string[] = [];

beforeAll(async () => {
  namespace = await cluster.freshNamespace('access');
  await kubectl(['apply', '-f', resolve(import.meta.dirname, '../../../config/rbac')]);
  own = [`--kubeconfig=${await cluster.createServiceAccountKubeconfig(SYSTEM_NAMESPACE, MANAGER)}`];
  await kubectl(['create', '-n', namespace, '-f', '-'], JSON.stringify(session({}, 'ada')));
  await kubectl(['create', '-n', namespace, '-f', '-'], JSON.stringify(report({}, 'ada-1')));
  await kubectl(['create', 'secret', 'generic', 'device', '-n', namespace, '--from-literal=password=cisco']);
  for (const role of ['view', 'edit', 'admin']) await kubectl(['create', 'rolebinding', role, '-n', namespace, `--clusterrole=${role}`, `--user=${role}er`]);
  await aggregated();
});

/** The controller manager adds our rules to the built-in roles a moment after they were applied. */
async function aggregated(): Promise<void> {
  const end = Date.now() + patience;
  for (;;) {
    const roles = await kubectl(['get', 'clusterrole', 'view', 'edit', 'admin', '-o', 'json']);
    const { items } = JSON.parse(roles) as { items: { metadata: { name: string }; rules: { apiGroups?: string[] }[] }[] };
    if (items.every(({ rules }) => rules.some(({ apiGroups }) => apiGroups?.includes('lablet.dev')))) return;
    if (Date.now() > end) throw new Error('the built-in roles did not get the rules of our kinds');
    await new Promise((resume) => setTimeout(resume, 100));
  }
}

const as = (user: string, ...args: string[]) => kubectl([`--as=${user}`, '-n', namespace, ...args]);
const controller = (...args: string[]) => kubectl([...own, ...args]);
/** yes or no; kubectl ends with an error for a no. */
const permission = (...args: string[]) => kubectl(['auth', 'can-i', '--quiet', '-n', namespace, ...args]).then(() => 'yes', () => 'no');
const merge = (change: object) => ['--type=merge', `--patch=${JSON.stringify(change)}`, '--dry-run=server'];

describe('a user with the role view', () => {
  test.each(['labletsessions', 'labletdefinitions', 'scorereports'])('reads %s', async (plural) => {
    await expect(as('viewer', 'get', plural)).resolves.toBeDefined();
  });

  test('ends no session', async () => {
    await expect(as('viewer', 'patch', 'lses', 'ada', ...merge({ spec: { desiredState: 'Ended' } }))).rejects.toThrow(
      `labletsessions.lablet.dev "ada" is forbidden: User "viewer" cannot patch resource "labletsessions" in API group "lablet.dev" in the namespace "${namespace}"`,
    );
  });

  test('deletes no session', async () => {
    await expect(as('viewer', 'delete', 'lses', 'ada', '--dry-run=server')).rejects.toThrow('forbidden');
  });
});

describe('a user with the role edit', () => {
  test('ends and deletes sessions', async () => {
    await expect(as('editer', 'patch', 'lses', 'ada', ...merge({ spec: { desiredState: 'Ended' } }))).resolves.toContain('patched');
    await expect(as('editer', 'delete', 'lses', 'ada', '--dry-run=server')).resolves.toContain('deleted');
  });

  // kubectl reads the status before it writes it, which would already be refused: so ask for the write itself.
  test('forges no status', async () => {
    expect(await permission('--as=editer', 'patch', 'labletsessions')).toBe('yes');
    expect(await permission('--as=editer', 'patch', 'labletsessions', '--subresource=status')).toBe('no');
  });

  test('writes and removes no results', async () => {
    await expect(kubectl(['--as=editer', '-n', namespace, 'create', '--dry-run=server', '-f', '-'], JSON.stringify(report({}, 'forged')))).rejects.toThrow('cannot create resource "scorereports"');
    await expect(as('editer', 'delete', 'score', 'ada-1', '--dry-run=server')).rejects.toThrow('forbidden');
  });
});

test('a user with the role admin removes results, but writes none', async () => {
  await expect(as('adminer', 'delete', 'score', 'ada-1', '--dry-run=server')).resolves.toContain('deleted');
  await expect(kubectl(['--as=adminer', '-n', namespace, 'create', '--dry-run=server', '-f', '-'], JSON.stringify(report({}, 'forged')))).rejects.toThrow('cannot create resource "scorereports"');
});

describe('the controller, with the token of its ServiceAccount,', () => {
  test.each(['get secrets -A', `get secrets -n ${SYSTEM_NAMESPACE}`, 'get configmaps -A', 'get nodes', 'get pods -A'])('is refused: kubectl %s', async (command) => {
    await expect(controller(...command.split(' '))).rejects.toThrow(`User "system:serviceaccount:${SYSTEM_NAMESPACE}:${MANAGER}" cannot list resource`);
  });

  test('reads a Secret by its name', async () => {
    await expect(controller('get', 'secret', 'device', '-n', namespace, '-o', 'jsonpath={.data.password}')).resolves.toBe(Buffer.from('cisco').toString('base64'));
  });

  test.each(['labletdefinitions', 'labletsessions', 'labs', 'workers', 'workertemplates', 'namespaces'])('lists %s everywhere', async (plural) => {
    await expect(controller('get', plural, '-A')).resolves.toBeDefined();
  });

  test('reads a result by its name and lists none', async () => {
    await expect(controller('get', 'score', 'ada-1', '-n', namespace, '-o', 'name')).resolves.toContain('ada-1');
    expect(await permission(...own, 'list', 'scorereports')).toBe('no');
  });

  test('writes the status of sessions, and specs only of what it makes', async () => {
    expect(await permission(...own, 'patch', 'labletsessions', '--subresource=status')).toBe('yes');
    expect(await permission(...own, 'create', 'labletsessions')).toBe('no');
    expect(await permission(...own, 'create', 'labs')).toBe('yes');
  });

  test('changes no result and no definition of roles', async () => {
    await expect(controller('patch', 'score', 'ada-1', '-n', namespace, ...merge({ metadata: { labels: { a: 'b' } } }))).rejects.toThrow('cannot patch resource "scorereports"');
    await expect(controller('create', 'clusterrolebinding', 'more', '--clusterrole=cluster-admin', '--user=x', '--dry-run=server')).rejects.toThrow('forbidden');
  });

  test('holds its own Lease and no other', async () => {
    const at = ['-n', SYSTEM_NAMESPACE];
    expect(await permission(...own, ...at, 'update', `lease/${LEASE_NAME}`)).toBe('yes');
    expect(await permission(...own, ...at, 'update', 'lease/kube-scheduler')).toBe('no');
    expect(await permission(...own, ...at, 'list', 'leases')).toBe('no');
  });
});
