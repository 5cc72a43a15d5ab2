import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createCmlSimulator, type CmlOptions, type CmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { callerOf, cmlCaller, importLab, type Caller } from '../../support/sim/http.ts';
import { campusEdge, routers } from '../../support/sim/topology.ts';

let clock: number;
let simulator: CmlSimulator;
let cml: Caller;
let url: string;

async function host(options: CmlOptions = {}): Promise<void> {
  simulator = createCmlSimulator({ seed: 'test', now: () => clock, ...options });
  url = await simulator.listen();
  cml = await cmlCaller(url);
}

const states = async (lab: string): Promise<string[]> => {
  const { body } = await cml(`GET /labs/${lab}/nodes?data=true&operational=true&exclude_configurations=true`);
  return (body as { state: string }[]).map(({ state }) => state);
};

beforeEach(() => {
  clock = Date.parse('2026-11-23T10:00:00Z');
});
afterEach(async () => {
  await simulator.close();
});

describe('capacity', () => {
  test('nodes beyond the capacity wait in the queue until others stop', async () => {
    await host({ cpus: 3 });
    const first = await importLab(cml, routers(2));
    const second = await importLab(cml, routers(2));
    await cml(`PUT /labs/${first}/start`);
    await cml(`PUT /labs/${second}/start`);
    expect([...(await states(first)), ...(await states(second))]).toEqual(['BOOTED', 'BOOTED', 'BOOTED', 'QUEUED']);
    expect((await cml(`GET /labs/${second}/check_if_converged`)).body).toBe(false);
    await cml(`PUT /labs/${first}/stop`);
    expect(await states(second)).toEqual(['BOOTED', 'BOOTED']);
  });

  test('memory is a limit as well, and the system statistics show what is left', async () => {
    await host({ memoryMiB: 1_000 });
    const lab = await importLab(cml, routers(2));
    await cml(`PUT /labs/${lab}/start`);
    expect(await states(lab)).toEqual(['BOOTED', 'QUEUED']);
    expect((await cml('GET /system_stats')).body).toMatchObject({ all: { memory: { total: 1_000 * 1024 ** 2, free: 232 * 1024 ** 2 } } });
  });
});

describe('the licence', () => {
  test.each([[20, 204], [21, 400]])('a personal one lets %i nodes run: %i', async (nodes, status) => {
    await host({ license: 'personal' });
    expect((await cml(`PUT /labs/${await importLab(cml, routers(nodes))}/start`)).status).toBe(status);
  });

  test('counts the nodes of all running labs together', async () => {
    await host({ license: 'personal' });
    await cml(`PUT /labs/${await importLab(cml, routers(19))}/start`);
    const second = await importLab(cml, routers(2));
    expect(await cml(`PUT /labs/${second}/start`)).toMatchObject({ status: 400, body: { description: expect.stringContaining('the license allows 20') } });
    expect(await states(second)).toEqual(['DEFINED_ON_CORE', 'DEFINED_ON_CORE']);
  });

  test('is registered with a token, which takes a moment in which nothing else is accepted', async () => {
    await host({ license: 'none', registrationMs: 1_000 });
    const status = async (): Promise<unknown> => (await cml('GET /licensing')).body;
    expect(await status()).toMatchObject({ registration: { status: 'NOT_REGISTERED' } });
    expect((await cml('PUT /licensing/product_license', '"CML_Enterprise"')).status).toBe(204);
    expect((await cml('POST /licensing/registration', { token: 'no token!', reregister: false })).status).toBe(400);
    expect((await cml('POST /licensing/registration', { token: 'abc+DEF/123', reregister: false })).status).toBe(204);
    expect((await cml('DELETE /licensing/deregistration')).status).toBe(409);
    clock += 1_000;
    expect(await status()).toMatchObject({ registration: { status: 'COMPLETED' }, authorization: { status: 'IN_COMPLIANCE' }, product_license: { active: 'CML_Enterprise', is_enterprise: true } });
    expect((await cml('DELETE /licensing/deregistration')).status).toBe(204);
    expect((await cml('DELETE /licensing/deregistration')).status).toBe(400);
  });
});

describe('login', () => {
  test('a wrong password is 403, not 401', async () => {
    await host();
    expect((await callerOf(`${url}/api/v0`)('POST /authenticate', { username: 'admin', password: 'guess' })).status).toBe(403);
  });

  test('a token gets stale: by its age, by logout, by a restart', async () => {
    await host({ tokenLifetimeMs: 60_000 });
    const ask = async (caller: Caller): Promise<number> => (await caller('GET /labs')).status;
    const other = await cmlCaller(url);
    expect(await cml('DELETE /logout')).toEqual({ status: 200, body: true });
    expect([await ask(cml), await ask(other)]).toEqual([401, 200]);
    clock += 60_000;
    expect(await ask(other)).toBe(401);
    const again = await cmlCaller(url);
    await callerOf(url)('POST /sim/expire-tokens');
    expect(await ask(again)).toBe(401);
  });

  test.each([
    ['2.8.0', '/authok', '/authentication'],
    ['2.9.1+build.4', '/authok', '/authentication'],
    ['2.10.0', '/authentication', '/authok'],
  ])('under %s the question whether a token is good goes to %s', async (version, served, missing) => {
    await host({ version });
    expect((await cml(`GET ${served}`)).status).toBe(200);
    expect((await cml(`GET ${missing}`)).status).toBe(404);
  });

  test('the version is told without a login', async () => {
    await host({ version: '2.10.0' });
    expect((await callerOf(url)('GET /api/v0/system_information')).body).toMatchObject({ version: '2.10.0', ready: true });
  });
});

test('labs of other users are listed only on demand', async () => {
  await host();
  const own = await importLab(cml, campusEdge());
  const { body } = await callerOf(url)('POST /sim/foreign-lab?title=theirs&owner=somebody-else');
  const foreign = (body as { id: string }).id;
  expect((await cml('GET /labs')).body).toEqual([own]);
  expect((await cml('GET /labs?show_all=true')).body).toEqual([own, foreign]);
  const { owner } = (await cml(`GET /labs/${foreign}`)).body as { owner: string };
  expect((await cml('GET /users')).body).toContainEqual(expect.objectContaining({ id: owner, username: 'somebody-else' }));
});

test('a call that is not simulated is 404 and leaves a line in the log', async () => {
  const lines: unknown[] = [];
  await host({ log: (message, fields) => lines.push([message, fields]) });
  expect(await cml('GET /groups')).toEqual({ status: 404, body: { code: 404, description: 'Not found: GET /api/v0/groups' } });
  expect(lines).toEqual([['call is not simulated', { call: 'GET /api/v0/groups' }]]);
});

test('the same seed makes the same ids, another seed makes others', async () => {
  const idUnder = async (seed: string): Promise<string> => {
    await host({ seed });
    const id = await importLab(cml, campusEdge());
    await simulator.close();
    return id;
  };
  const first = await idUnder('a');
  expect(await idUnder('a')).toBe(first);
  expect(await idUnder('b')).not.toBe(first);
});

describe('faults', () => {
  const fault = async (body: unknown): Promise<void> => {
    expect((await callerOf(url)('POST /sim/fault', body)).status).toBe(200);
  };

  test('lost-answer does the work and drops the connection', async () => {
    await host();
    await fault({ name: 'lost-answer', route: 'POST /api/v0/import', times: 1 });
    await expect(importLab(cml, campusEdge())).rejects.toThrow('fetch failed');
    expect((await cml('GET /labs')).body).toHaveLength(1);
    await importLab(cml, campusEdge());
    expect((await callerOf(url)('GET /sim/calls?match=import')).body).toMatchObject([{ status: null }, { status: 200 }]);
  });

  test('http500 refuses before any work', async () => {
    await host();
    await fault({ name: 'http500', times: 1 });
    expect((await cml('POST /import', campusEdge())).status).toBe(500);
    expect((await cml('GET /labs')).body).toEqual([]);
  });

  test('http401 makes a good token stale for one call', async () => {
    await host();
    await fault({ name: 'http401', times: 1 });
    expect([(await cml('GET /labs')).status, (await cml('GET /labs')).status]).toEqual([401, 200]);
  });

  test('lost-lab takes the lab away under the eyes of the caller', async () => {
    await host();
    const lab = await importLab(cml, campusEdge());
    await fault({ name: 'lost-lab', route: '/state' });
    expect((await cml(`GET /labs/${lab}`)).status).toBe(200);
    expect((await cml(`GET /labs/${lab}/state`)).status).toBe(404);
  });

  test('never-converge keeps one node from booting until the lab is wiped', async () => {
    await host();
    await fault({ name: 'never-converge', times: 1 });
    const lab = await importLab(cml, campusEdge());
    await cml(`PUT /labs/${lab}/start`);
    clock += 3_600_000;
    expect(await states(lab)).toEqual(['BOOTED', 'BOOTED', 'STARTED']);
    for (const order of ['stop', 'wipe', 'start']) expect((await cml(`PUT /labs/${lab}/${order}`)).status).toBe(204);
    expect(await states(lab)).toEqual(['BOOTED', 'BOOTED', 'BOOTED']);
  });

  test.each(['import-400', 'start-400'])('%s refuses with an answer that must not be retried', async (name) => {
    await host();
    const lab = await importLab(cml, campusEdge());
    await fault({ name });
    const answer = name === 'import-400' ? await cml('POST /import', campusEdge()) : await cml(`PUT /labs/${lab}/start`);
    expect(answer).toEqual({ status: 400, body: { code: 400, description: `injected fault: ${name}` } });
  });

  test('a fault that does not exist is refused with the names of those that do', async () => {
    await host();
    expect(await callerOf(url)('POST /sim/fault', { name: 'gremlins' })).toEqual({ status: 400, body: { code: 400, description: expect.stringContaining('there are: latency, http500') } });
  });
});

test('a reset brings back the host as it was at the start', async () => {
  await host({ faults: [{ name: 'http500', rate: 0.5 }] });
  const first = await Promise.all(Array.from({ length: 20 }, async () => (await cml('GET /labs')).status));
  await callerOf(url)('POST /sim/foreign-lab');
  await callerOf(url)('POST /sim/reset');
  expect(simulator.host.labs()).toEqual([]);
  const second = await Promise.all(Array.from({ length: 20 }, async () => (await cml('GET /labs')).status));
  expect(new Set(first)).toEqual(new Set([200, 500]));
  expect(second.filter((status) => status === 500)).toHaveLength(first.filter((status) => status === 500).length);
});
