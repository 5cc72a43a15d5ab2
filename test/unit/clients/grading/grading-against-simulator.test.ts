import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createGradingSimulator } from '../../../../hack/sim/grading/simulator.ts';
import type { GradingOptions, GradingSimulator } from '../../../../hack/sim/grading/simulator.ts';
import { OutcomeUnknownError } from '../../../../src/clients/errors.ts';
import { GradingClient } from '../../../../src/clients/grading/client.ts';
import { Secret } from '../../../../src/clients/secret.ts';

const options = { signal: new AbortController().signal };
const part = 'Exam CCNP EDGE v1 LAB 1.2';
const session = { id: 'session-uid-1', candidateId: 'cand-0042', lds: { id: 'lds-1', environment: 'default' }, parts: [part] };
const interfaces = [{ name: 'console', protocol: 'console', host: 'cml-01.example.org', port: 2002, authentication: { scheme: 'basic', properties: new Secret({ password: 'dev-pass' }) } }];
const pod = { id: session.id, devices: [{ label: 'edge-r1', hostname: 'edge-r1', collector: 'cli', interfaces }] };

let simulator: GradingSimulator;
let url: string;
let grading: GradingClient;
let now: number;

async function start(settings: GradingOptions = {}): Promise<void> {
  simulator = createGradingSimulator(settings);
  url = await simulator.listen();
  now = Date.now();
  grading = new GradingClient({
    endpoint: url,
    tokenUrl: `${url}/oauth/token`,
    credentials: async () => ({ username: 'admin', password: 'secret' }),
    resilience: { retryBaseMs: 1 },
    now: () => now,
  });
}

async function counted(call: string): Promise<number> {
  const counters = (await (await fetch(`${url}/sim/counters`)).json()) as Record<string, number>;
  return Object.entries(counters).reduce((sum, [name, count]) => (name.includes(call) ? sum + count : sum), 0);
}

beforeEach(() => start());
afterEach(async () => {
  await simulator.close();
  await grading.close();
});

test('a session is created, given its pod, graded, polled and submitted', async () => {
  await simulator.close();
  await start({ timeScale: 100 });
  expect(await grading.createSession(session, options)).toMatchObject({ id: session.id, parts: [{ id: part, podId: undefined, score: undefined }] });
  await grading.assignPod(session.id, part, pod, options);
  expect(simulator.engine.part(session.id, part).pod?.devices[0]).toMatchObject({
    interfaces: [{ port: 2002, authentication: { scheme: 'basic', properties: { password: 'dev-pass' } } }],
  });
  await grading.grade(session.id, part, options);
  let view = await grading.session(session.id, options);
  while (view.parts[0]?.score === undefined) view = await grading.session(session.id, options);
  expect(view.parts[0]).toMatchObject({ podId: session.id, score: { score: 80, maxScore: 100 } });
  await grading.submit(session.id, part, options);
  await grading.deletePod(session.id, part, options);
  await grading.deletePod(session.id, part, options);
  expect((await grading.session(session.id, options)).parts[0]?.podId).toBeUndefined();
});

describe('repeating what may have been done', () => {
  test('a session with the same id is the same session', async () => {
    await grading.createSession(session, options);
    expect(await grading.createSession(session, options)).toMatchObject({ id: session.id, parts: [{ id: part }] });
    expect(simulator.engine.sessions()).toHaveLength(1);
  });

  test('after a lost answer the second attempt finds what the first one made', async () => {
    const fault = { name: 'lost-answer', times: 1, route: '/sessions' };
    await fetch(`${url}/sim/fault`, { method: 'POST', body: JSON.stringify(fault), headers: { 'content-type': 'application/json' } });
    await expect(grading.createSession(session, options)).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(await grading.createSession(session, options)).toMatchObject({ id: session.id });
    expect(simulator.engine.sessions()).toHaveLength(1);
  });

  test('a pod that is assigned already is replaced', async () => {
    await grading.createSession(session, options);
    await grading.assignPod(session.id, part, pod, options);
    await grading.assignPod(session.id, part, { ...pod, devices: [] }, options);
    expect(simulator.engine.part(session.id, part).pod?.devices).toEqual([]);
  });

  test('a part that is there already is there once', async () => {
    await grading.createSession({ ...session, parts: [] }, options);
    await grading.addPart(session.id, part, options);
    await grading.addPart(session.id, part, options);
    expect((await grading.session(session.id, options)).parts.map(({ id }) => id)).toEqual([part]);
  });
});

describe('the access token', () => {
  test('serves all calls until it is nearly over, and is then replaced before it is', async () => {
    await grading.createSession(session, options);
    await Promise.all(Array.from({ length: 5 }, () => grading.session(session.id, options)));
    expect(await counted('/oauth/token')).toBe(1);
    // An hour less a minute: the margin.
    now += 3_540_000 - 1;
    await grading.session(session.id, options);
    expect(await counted('/oauth/token')).toBe(1);
    now += 1;
    await Promise.all(Array.from({ length: 5 }, () => grading.session(session.id, options)));
    expect(await counted('/oauth/token')).toBe(2);
  });

  test('that was revoked is replaced once', async () => {
    await grading.createSession(session, options);
    await fetch(`${url}/sim/expire-tokens`, { method: 'POST' });
    expect(await grading.session(session.id, options)).toMatchObject({ id: session.id });
    expect(await counted('/oauth/token')).toBe(2);
  });

  test('is not given for a wrong client secret, and the error does not show it', async () => {
    const stranger = new GradingClient({ endpoint: url, tokenUrl: `${url}/oauth/token`, credentials: async () => ({ username: 'admin', password: 'hunter2' }) });
    const error: unknown = await stranger.session(session.id, options).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: 'unauthorized', system: 'grading', call: 'POST /oauth/token' });
    expect(String(error)).not.toContain('hunter2');
    await stranger.close();
  });
});
