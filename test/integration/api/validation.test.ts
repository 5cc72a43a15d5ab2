/** The API server itself refuses what is wrong, and says what to do: no webhook, no controller. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { KubectlError } from '../../../hack/cluster/kubectl.ts';
import { KINDS } from '../../../src/api/kinds.ts';
import { testCluster } from '../../support/cluster.ts';
import { BAD_MANIFESTS } from './bad-manifests.ts';
import { UPDATES } from './bad-updates.ts';
import { session } from './manifests.ts';
import type { Manifest } from './manifests.ts';

const cluster = testCluster();
const { kubectl } = cluster;
let namespace = '';
const made: string[] = [];

beforeAll(async () => {
  namespace = await cluster.freshNamespace('validation');
});

afterAll(() => kubectl(['delete', '-n', namespace, '--wait=false', ...made]));

/** Cluster-scoped objects of these tests are theirs alone, and leave with them. */
async function create(manifest: Manifest & { status?: object }): Promise<string> {
  const name = `sample-${randomBytes(4).toString('hex')}`;
  await kubectl(['create', '-n', namespace, '-f', '-'], JSON.stringify({ ...manifest, metadata: { ...manifest.metadata, name } }));
  made.push(`${manifest.kind}/${name}`);
  if (manifest.status) await patch(manifest.kind, name, { status: manifest.status }, '--subresource=status');
  return name;
}

const patch = (kind: string, name: string, change: object, ...flags: string[]) =>
  kubectl(['patch', kind, name, '-n', namespace, '--type=merge', `--patch=${JSON.stringify(change)}`, ...flags]);

/** What kubectl writes to standard error. */
async function complaint(attempt: Promise<string>): Promise<string> {
  const error = await attempt.then(
    (output) => new Error(`accepted: ${output}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof KubectlError)) throw error;
  return error.message.slice(error.message.search(/The |Error from server/));
}

describe('the kinds', () => {
  test.each(KINDS.map(({ resource }) => `${resource.plural}.${resource.group}`))('%s is served', async (name) => {
    const crd = z
      .object({ status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })) }) })
      .parse(JSON.parse(await kubectl(['get', 'crd', name, '-o', 'json'])));
    const conditions = Object.fromEntries(crd.status.conditions.map(({ type, status }) => [type, status]));
    expect(conditions).toEqual({ Established: 'True', NamesAccepted: 'True' });
  });
});

describe('a manifest is refused with', () => {
  test.each(BAD_MANIFESTS)('$mistake ($manifest.kind)', async ({ manifest, says }) => {
    expect(await complaint(kubectl(['create', '-n', namespace, '--dry-run=server', '-f', '-'], JSON.stringify(manifest)))).toBe(says);
  });

  test('every message is about one manifest of at least forty', () => {
    expect(new Set(BAD_MANIFESTS.map(({ mistake, manifest }) => `${manifest.kind}: ${mistake}`)).size).toBe(BAD_MANIFESTS.length);
    expect(BAD_MANIFESTS.length).toBeGreaterThanOrEqual(40);
  });
});

describe('nobody can', () => {
  test.each(UPDATES.filter(({ says }) => says !== undefined))('$attempt', async ({ before, change, says }) => {
    const name = await create(before);
    const { kind } = before;
    expect(await complaint(patch(kind, name, { spec: change }, '--dry-run=server'))).toBe(`The ${kind} "${name}" is invalid: ${says ?? ''}`);
  });
});

describe('somebody can', () => {
  test.each(UPDATES.filter(({ says }) => says === undefined))('$attempt', async ({ before, change }) => {
    const name = await create(before);
    await expect(patch(before.kind, name, { spec: change }, '--dry-run=server')).resolves.toContain('patched');
  });
});

describe('spec and status are written apart', () => {
  const phaseAndOwner = async (name: string) => JSON.parse(await kubectl(['get', 'lses', name, '-n', namespace, '-o', 'json', '--show-managed-fields=false'])) as { spec: { owner: string }; status?: { phase?: string } };

  test('a write of the object leaves the status as it was', async () => {
    const name = await create(session());
    await patch('lses', name, { status: { phase: 'Running' }, metadata: { labels: { touched: 'yes' } } });
    expect((await phaseAndOwner(name)).status).toBeUndefined();
  });

  test('a write of the status leaves the spec as it was', async () => {
    const name = await create(session());
    await patch('lses', name, { status: { phase: 'Pending' }, spec: { owner: 'somebody-else' } }, '--subresource=status');
    expect(await phaseAndOwner(name)).toMatchObject({ spec: { owner: 'proctor-7' }, status: { phase: 'Pending' } });
  });

  test('a status with an unknown phase is refused', async () => {
    const name = await create(session());
    expect(await complaint(patch('lses', name, { status: { phase: 'Expired' } }, '--subresource=status'))).toContain('status.phase: Unsupported value: "Expired"');
  });
});
