/** INGEST_AUTH=token: ServiceAccount tokens, made and judged by a real API server. */
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { MANAGER } from '../../../src/api/group.ts';
import { OPTIONAL_RULES, SYSTEM_NAMESPACE } from '../../../src/api/rbac.ts';
import { tokenAuth } from '../../../src/events/ingest-auth.ts';
import { startIngestServer } from '../../../src/events/ingest-server.ts';
import { TokenReviews } from '../../../src/events/token-reviews.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { whoIs } from '../../../src/kube/access-review.ts';
import { createLogger } from '../../../src/telemetry/log.ts';
import { testCluster } from '../../support/cluster.ts';
import { minimal } from '../../support/events/requests.ts';
import { until } from '../../support/events/until.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { clientFor } from '../../support/kube-objects.ts';

const AUDIENCE = 'lablet-ingest';
const cluster = testCluster();
const { kubectl } = cluster;
const clock = new FakeClock();
const logged: string[] = [];
const closers: (() => Promise<void>)[] = [];
let namespace: string;
/** With the rights of the controller, as config/rbac gives them. */
let controller: KubeClient;
let port: number;

/** An endpoint that admits `lds` and all whose name begins with `trigger-`. */
async function endpoint(client: KubeClient): Promise<number> {
  const log = createLogger({ level: 'trace', destination: { write: (line: string) => void logged.push(line) } });
  const allowed = ['lds', 'trigger-*'].map((name) => `system:serviceaccount:${namespace}:${name}`);
  const authenticate = tokenAuth(new TokenReviews(async (token) => (await whoIs(client, token, AbortSignal.timeout(5000), AUDIENCE))?.username, clock), allowed, log);
  const ingest = { accept: async () => ({ status: 202, result: 'applied' }) as const, refuse: () => ({ status: 400, result: 'invalid' }) as const };
  const server = await startIngestServer({ ingest, authenticate, log, isReady: () => true, port: 0, host: '127.0.0.1' });
  closers.push(() => server.close(0));
  return server.port;
}

const token = async (name: string, ...more: string[]): Promise<string> => (await kubectl(['create', 'token', name, '-n', namespace, ...more])).trim();

/** Status of the answer, what it demands, and when to come again. */
async function deliver(bearer: string, to = port): Promise<[status: number, challenge: string | null, retry: string | null]> {
  const { status, headers } = await fetch(`http://127.0.0.1:${to}/`, { method: 'POST', headers: { ...minimal, authorization: `Bearer ${bearer}` } });
  return [status, headers.get('www-authenticate'), headers.get('retry-after')];
}

const INVALID = 'Bearer realm="lablet-controller", error="invalid_token"';

beforeAll(async () => {
  namespace = await cluster.freshNamespace('senders');
  for (const name of ['lds', 'trigger-1', 'stranger', 'unable']) await kubectl(['create', 'serviceaccount', name, '-n', namespace]);
  for (const folder of ['', 'optional']) await kubectl(['apply', '-f', resolve(import.meta.dirname, '../../../config/rbac', folder)]);
  controller = await clientFor(await cluster.createServiceAccountKubeconfig(SYSTEM_NAMESPACE, MANAGER));
  closers.push(() => controller.close());
  port = await endpoint(controller);
});
afterAll(async () => {
  for (const close of closers) await close();
});

describe('a ServiceAccount token', () => {
  test.each(['lds', 'trigger-1'])('of %s for our audience admits its sender', async (name) => {
    expect(await deliver(await token(name, `--audience=${AUDIENCE}`))).toEqual([202, null, null]);
  });

  test('of somebody else is understood and refused: another token of his would not help', async () => {
    expect(await deliver(await token('stranger', `--audience=${AUDIENCE}`))).toEqual([403, null, null]);
  });

  test.each([['another audience', '--audience=vault'], ['the API server itself', '--duration=1h']])('for %s is not valid here', async (_, option) => {
    expect(await deliver(await token('lds', option))).toEqual([401, INVALID, null]);
  });

  test('that nobody signed is not valid', async () => {
    const [header, payload] = (await token('lds', `--audience=${AUDIENCE}`)).split('.');
    expect(await deliver(`${header ?? ''}.${payload ?? ''}.AAAA`)).toEqual([401, INVALID, null]);
    expect(await deliver('nonsense')).toEqual([401, INVALID, null]);
  });

  test('whose ServiceAccount is gone is believed for a minute at most', async () => {
    const withdrawn = await token('trigger-1', `--audience=${AUDIENCE}`);
    expect((await deliver(withdrawn))[0]).toBe(202);
    await kubectl(['delete', 'serviceaccount', 'trigger-1', '-n', namespace]);
    await clock.advance(59_000);
    expect((await deliver(withdrawn))[0]).toBe(202);
    // The API server has a memory of its own, of ten seconds by the real clock.
    await until('both have forgotten it', async () => {
      await delay(500);
      await clock.advance(60_000);
      return (await deliver(withdrawn))[0] === 401;
    }, 30_000);
    expect(await deliver(withdrawn)).toEqual([401, INVALID, null]);
  });
});

describe('when nobody can say whose a token is', () => {
  test('the sender comes again: the API server is away', async () => {
    const nowhere = new KubeClient({ ...controller.connection, server: new URL('https://127.0.0.1:9') }, { retry: { retries: 0 } });
    closers.push(() => nowhere.close());
    expect(await deliver(await token('lds', `--audience=${AUDIENCE}`), await endpoint(nowhere))).toEqual([503, null, '2']);
  });

  test('the sender comes again, and the log says what is missing: we may not ask', async () => {
    const unable = await clientFor(await cluster.createServiceAccountKubeconfig(namespace, 'unable'));
    closers.push(() => unable.close());
    expect(await deliver(await token('lds', `--audience=${AUDIENCE}`), await endpoint(unable))).toEqual([503, null, '2']);
    expect(logged.join('')).toContain('the ServiceAccount be allowed to create tokenreviews');
  });
});

test('only this setting needs the right to review tokens, and it is a role of its own', () => {
  expect(OPTIONAL_RULES.find(({ when }) => when === 'INGEST_AUTH=token')?.rules.map(({ resources, verbs }) => [resources, verbs])).toEqual([[['tokenreviews'], ['create']]]);
});

test('no token is ever logged', async () => {
  const shown = await token('lds', `--audience=${AUDIENCE}`);
  await deliver(shown);
  await deliver(`${shown}x`);
  expect(logged.length).toBeGreaterThan(3);
  expect(logged.join('')).not.toContain(shown.split('.')[2]);
});
