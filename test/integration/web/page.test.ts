/** GET /page/…: what a token shows is judged by a real API server, by its RBAC. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testCluster } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { startTestPage, statusAt } from '../../support/page.ts';
import type { LiveMessage } from '../../../src/web/page/messages.ts';
import type { TestPage } from '../../support/page.ts';

const cluster = testCluster();
const tokens: Record<string, string> = {};
let world: TestPage;
let [own, other] = ['', ''];

interface Answer {
  readonly status: number;
  readonly challenge: string | null;
  readonly error?: string;
}

const window = `from=${new Date(Date.now() - 3_600_000).toISOString()}&to=${new Date(Date.now() + 3_600_000).toISOString()}`;
const ask = (path: string, who?: string, signal?: AbortSignal): Promise<Response> => fetch(`${world.url}${path}`, { headers: who === undefined ? {} : { authorization: `Bearer ${tokens[who] ?? who}` }, ...(signal && { signal }) });

async function refused(path: string, who?: string): Promise<Answer> {
  const response = await ask(path, who);
  return { status: response.status, challenge: response.headers.get('www-authenticate'), ...((await response.json()) as object) };
}

/** The lines of a stream as they come. */
async function* stream(who: string, query = '', signal?: AbortSignal): AsyncGenerator<LiveMessage> {
  const response = await ask(`/page/live?${window}${query}`, who, signal);
  if (!response.ok || !response.body) throw new Error(`${response.status}: ${await response.text()}`);
  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as LiveMessage;
  }
}

/** The first line: all that is shown. */
async function shown(who: string, query = ''): Promise<{ sessions: string[]; workers: string[] }> {
  const control = new AbortController();
  const first = await stream(who, query, control.signal).next();
  control.abort();
  if (first.done || first.value.kind !== 'all') throw new Error('the stream did not begin with all');
  return { sessions: first.value.sessions.map(({ key }) => key).filter((key) => key.startsWith(own) || key.startsWith(other)), workers: first.value.workers.map(({ name }) => name) };
}

beforeAll(async () => {
  [own, other] = await Promise.all([cluster.freshNamespace('page'), cluster.freshNamespace('page')]);
  world = await startTestPage(cluster, own, { gatherMs: 20, aliveMs: 200 });
  const users: [string, ...string[]][] = [['proctor', `list,get labletsessions ${own}`], ['peeper', `get labletsessions ${own}`], ['engineer', 'list workers'], ['chief', 'list,get labletsessions', 'list workers'], ['stranger']];
  await Promise.all([
    ...users.map(async ([name, ...rules]) => {
      tokens[name] = await world.token(name, ...rules);
    }),
    world.session('ada', statusAt({ Pending: -3 })), world.session('linus', statusAt({ Pending: -2 }), { namespace: other }), world.worker('page-w1', { phase: 'Running' }),
  ]);
}, 60_000);
afterAll(() => world.close());

describe('the fleet', () => {
  test('is shown to nobody without a token that is good, and to nobody without rights', async () => {
    expect(await refused(`/page/live?${window}`)).toMatchObject({ status: 401, challenge: 'Bearer', error: expect.stringContaining('kubectl create token') });
    expect(await refused(`/page/live?${window}`, 'made-up')).toMatchObject({ status: 401, challenge: 'Bearer' });
    for (const name of ['stranger', 'peeper']) expect(await refused(`/page/live?${window}`, name)).toMatchObject({ status: 403, error: expect.stringContaining(`system:serviceaccount:${own}:${name} may list neither workers.lablet.dev nor labletsessions.lablet.dev in any namespace`) });
  });

  test('is what its reader may list: sessions of a namespace, Workers, or all', async () => {
    await eventually(async () => expect(await shown('proctor')).toEqual({ sessions: [`${own}/ada`], workers: [] }));
    expect(await shown('engineer')).toEqual({ sessions: [], workers: expect.arrayContaining(['page-w1']) });
    const all = await shown('chief');
    expect([all.sessions.toSorted(), all.workers]).toEqual([[`${own}/ada`, `${other}/linus`].toSorted(), expect.arrayContaining(['page-w1'])]);
    expect(await shown('chief', `&namespace=${other}`)).toMatchObject({ sessions: [`${other}/linus`] });
    expect(await refused(`/page/live?${window}&namespace=${other}`, 'proctor')).toMatchObject({ status: 403, error: expect.stringContaining(`in namespace ${other}`) });
  });

  test.each([['', /from: give a time/], [`from=2026-11-23T00:00:00Z&to=2026-12-23T00:00:00Z`, /to: must be after from/], [`${window}&all=1`, /all/]])('for an odd question (%s) is refused with what to write', async (query, message) => {
    expect(await refused(`/page/live?${query}`, 'chief')).toMatchObject({ status: 400, error: expect.stringMatching(message) });
  });
});

describe('the story of a session', () => {
  test('is told to those who may get it', async () => {
    for (const name of ['proctor', 'peeper', 'chief']) expect((await ask(`/page/sessions/${own}/ada`, name)).status).toBe(200);
    for (const name of ['stranger', 'engineer']) expect(await refused(`/page/sessions/${own}/ada`, name)).toMatchObject({ status: 403, error: `system:serviceaccount:${own}:${name} may not get labletsessions.lablet.dev in namespace ${own}` });
    expect(await refused(`/page/sessions/${other}/linus`, 'proctor')).toMatchObject({ status: 403 });
    // Who may not look does not learn whether there is something to see.
    expect(await refused(`/page/sessions/${other}/nobody`, 'proctor')).toMatchObject({ status: 403 });
    expect(await refused(`/page/sessions/${own}/nobody`, 'proctor')).toMatchObject({ status: 404 });
    expect(await refused(`/page/sessions/${own}/ada`)).toMatchObject({ status: 401 });
  });
});

describe('the files of the page', () => {
  test('may be had by anybody, and allow nothing but themselves', async () => {
    const html = await ask('/');
    expect(html.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = html.headers.get('content-security-policy') ?? '';
    expect(policy.split('; ')).toEqual(expect.arrayContaining(["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]));
    expect(policy).not.toMatch(/unsafe|\*|http/);
    const text = await html.text();
    expect(text).not.toMatch(/<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|https?:/);
    for (const [, path] of text.matchAll(/(?:src|href)="(page\/[^"]+)"/g)) expect((await ask(`/${path ?? ''}`)).status).toBe(200);
  });
});

describe('a stream', () => {
  test('brings what changes, of what its reader may list, until the replica stops', async () => {
    const seen: LiveMessage[] = [];
    const reading = (async () => {
      for await (const message of stream('proctor')) seen.push(message);
    })();
    await eventually(() => expect(seen[0]?.kind).toBe('all'));
    await world.becomes('linus', { phase: 'Scheduled', message: 'elsewhere' }, other);
    await world.becomes('ada', { phase: 'Scheduled', workerName: 'page-w1' });
    await eventually(() => expect(seen).toContainEqual(expect.objectContaining({ kind: 'change', sessions: [expect.objectContaining({ key: `${own}/ada`, phase: 'Scheduled', worker: 'page-w1' })], workers: [] })));
    expect(JSON.stringify(seen)).not.toContain('linus');
    await eventually(() => expect(seen.some(({ kind }) => kind === 'alive')).toBe(true));
    await world.endStreams();
    await reading;
    expect(await refused(`/page/live?${window}`, 'proctor')).toMatchObject({ status: 503, error: expect.stringContaining('another one serves') });
  });
});
