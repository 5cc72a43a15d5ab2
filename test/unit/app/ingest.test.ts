/** The endpoint with its authentication, over real connections, with files as the kubelet mounts and swaps them. */
import { Agent, request } from 'node:https';
import { TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createAuthority } from '../../../hack/cluster/pki.ts';
import { ingestRunnable } from '../../../src/app/ingest.ts';
import { Ingest } from '../../../src/events/ingest.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { fixedCredentials } from '../../../src/kube/credentials.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { TermControl } from '../../../src/runtime/runnable.ts';
import { createLogger } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { gradedWorld } from '../../support/events/session-world.ts';
import { minimal } from '../../support/events/requests.ts';
import { until } from '../../support/events/until.ts';
import { kubeletVolume } from '../../support/kubelet-volume.ts';
import type { Authority, Certificate } from '../../../hack/cluster/pki.ts';
import type { IngestVariables } from '../../../src/app/ingest-config.ts';
import type { Metrics } from '../../../src/telemetry/metrics.ts';
import type { KubeletVolume } from '../../support/kubelet-volume.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

let [ours, theirs]: (Authority | undefined)[] = [];
let [server, renewed, lds, other]: (Certificate | undefined)[] = [];
beforeAll(async () => {
  [ours, theirs] = [await createAuthority('ours'), await createAuthority('theirs')];
  [server, renewed] = [await ours.issue({ commonName: 'first', hosts: ['127.0.0.1'] }), await ours.issue({ commonName: 'second', hosts: ['127.0.0.1'] })];
  [lds, other] = [await ours.issue({ commonName: 'lds' }), await theirs.issue({ commonName: 'lds' })];
});

interface Endpoint {
  readonly port: number;
  readonly logged: string[];
  readonly metrics: Metrics;
}

/** Events of no type of ours: what gets through is answered with 202. */
async function endpoint(config: Partial<IngestVariables>): Promise<Endpoint> {
  const logged: string[] = [];
  const log = createLogger({ level: 'trace', destination: { write: (line: string) => void logged.push(line) } });
  const client = new KubeClient({ server: new URL('https://127.0.0.1:9'), credentials: fixedCredentials({ headers: {} }), namespace: 'x', origin: 'test' }, { retry: { retries: 0 } });
  const metrics = createMetrics();
  const ingest = new Ingest({ client, sessions: { get: () => undefined, byIndex: () => [] }, world: async () => gradedWorld(), clock: systemClock, log, metrics, ownSource: '/ccm/lablet-controller', allowedSources: [] });
  const listening = Promise.withResolvers<number>();
  const runnable = await ingestRunnable({
    config: { INGEST_AUTH: 'none', INGEST_ALLOWED_SUBJECTS: [], INGEST_PORT: 0, LISTEN_HOST: '127.0.0.1', ...config },
    ingest, client, clock: systemClock, log, metrics, isReady: () => true, listening: listening.resolve, reloadEveryMs: 5,
  });
  const term = new TermControl();
  const ended = runnable.run(term);
  cleanUps.push(async () => {
    term.close(new Error('the test is over'));
    await ended;
    await client.close();
  });
  return { port: await listening.promise, logged, metrics };
}

async function volumeOf(files: Record<string, string>): Promise<KubeletVolume> {
  const volume = await kubeletVolume(files);
  cleanUps.push(() => volume.remove());
  return volume;
}

const headers = { ...minimal, 'ce-type': 'com.example.other' };

describe('a shared secret', () => {
  const [first, second] = ['first-secret-of-some-length', 'second-secret-of-some-length'];
  const post = (port: number, more: Record<string, string> = {}, query = '') => fetch(`http://127.0.0.1:${port}/events${query}`, { method: 'POST', headers: { ...headers, ...more } });
  const start = async () => {
    const volume = await volumeOf({ secret: `${first}\n` });
    return { volume, ...(await endpoint({ INGEST_AUTH: 'secret', INGEST_SECRET: volume.path('secret') })) };
  };

  test('is taken from the header, or from the query if there is none, and never logged', async () => {
    const { port, logged } = await start();
    expect((await post(port, { authorization: `Bearer ${first}` })).status).toBe(202);
    expect((await post(port, { authorization: `bearer ${first}` })).status).toBe(202);
    expect((await post(port, {}, `?access_token=${first}`)).status).toBe(202);
    expect((await post(port, {}, `?access_token=${second}`)).status).toBe(401);
    expect(logged.length).toBeGreaterThan(3);
    expect(logged.join('')).not.toMatch(/(first|second)-secret/);
  });

  test.each([
    ['none', {}, '', 401, 'Bearer realm="lablet-controller"'],
    ['a wrong one', { authorization: 'Bearer nonsense' }, '', 401, 'Bearer realm="lablet-controller", error="invalid_token"'],
    ['a part of it', { authorization: `Bearer ${first.slice(0, -1)}` }, '', 401, 'Bearer realm="lablet-controller", error="invalid_token"'],
    ['another scheme', { authorization: `Basic ${first}` }, '', 401, 'Bearer realm="lablet-controller"'],
    ['two of them', { authorization: `Bearer ${first}` }, `?access_token=${first}`, 400, null],
  ] as const)('%s is refused, with what to send', async (_, more, query, status, challenge) => {
    const { port } = await start();
    const response = await post(port, more, query);
    expect([response.status, response.headers.get('www-authenticate'), response.headers.get('retry-after')]).toEqual([status, challenge, null]);
  });

  test('that is missing is counted, for a wrong one may be an attack or a forgotten change', async () => {
    const { port, metrics } = await start();
    await post(port, { authorization: 'Bearer nonsense' });
    await post(port, { authorization: `Bearer ${first}` });
    expect((await metrics.eventsIn.get()).values.map(({ labels, value }) => [labels, value])).toEqual([[{ type: 'other', result: 'not_admitted' }, 1], [{ type: 'other', result: 'other_type' }, 1]]);
  });

  test('is not asked for by the handshake, which delivers nothing', async () => {
    const { port } = await start();
    expect((await fetch(`http://127.0.0.1:${port}/events`, { method: 'OPTIONS', headers: { 'WebHook-Request-Origin': 'x' } })).status).toBe(200);
  });

  test('is replaced without a restart, both being valid meanwhile', async () => {
    const { port, volume } = await start();
    const answer = async (secret: string): Promise<number> => (await post(port, { authorization: `Bearer ${secret}` })).status;
    await volume.update({ secret: `${second}\n${first}\n` });
    await until('the second is valid', async () => (await answer(second)) === 202);
    expect(await answer(first)).toBe(202);
    await volume.update({ secret: second });
    await until('the first is not valid any more', async () => (await answer(first)) === 401);
    expect(await answer(second)).toBe(202);
  });

  test.each([['', 'is empty'], ['short', 'is too short'], ['two words of it all', 'has spaces']])('of a file %j that %s is refused at the start', async (secret) => {
    const volume = await volumeOf({ secret });
    await expect(endpoint({ INGEST_AUTH: 'secret', INGEST_SECRET: volume.path('secret') })).rejects.toThrow('must hold one secret a line, each of 16 characters or more and without spaces');
  });
});

/** Status of the answer and common name of the server, over a connection of its own. */
function send(port: number, client?: Certificate, { method = 'POST', agent = new Agent({ maxCachedSessions: 0 }) }: { method?: string; agent?: Agent } = {}): Promise<[status: number | undefined, server: string]> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, method, path: '/events', headers, agent, ca: ours?.certificate, ...(client && { cert: client.certificate, key: client.key }) }, (response) => {
      response.resume();
      const name = response.socket instanceof TLSSocket ? response.socket.getPeerCertificate().subject.CN : undefined;
      response.once('end', () => resolve([response.statusCode, String(name)]));
    });
    call.once('error', reject);
    call.end();
  });
}

const files = (certificate = server, ca = ours) => ({ 'tls.crt': certificate?.certificate ?? '', 'tls.key': certificate?.key ?? '', 'ca.crt': ca?.certificate ?? '' });
const tls = (volume: KubeletVolume) => ({ INGEST_TLS_CERT: volume.path('tls.crt'), INGEST_TLS_KEY: volume.path('tls.key') });

describe('over TLS', () => {
  test('a renewed certificate is shown without a restart', async () => {
    const volume = await volumeOf(files());
    const { port } = await endpoint(tls(volume));
    expect(await send(port)).toEqual([202, 'first']);
    await volume.update({ ...files(renewed), 'tls.key': server?.key ?? '' });
    expect(await send(port)).toEqual([202, 'first']);
    await volume.update(files(renewed));
    await until('the second is shown', async () => (await send(port))[1] === 'second');
  });

  test.each([
    ['is not that of the certificate', { 'tls.key': () => renewed?.key ?? '' }],
    ['is none', { 'tls.key': () => 'x' }],
  ])('a key that %s stops the start', async (_, change) => {
    const volume = await volumeOf({ ...files(), 'tls.key': change['tls.key']() });
    await expect(endpoint(tls(volume))).rejects.toThrow('INGEST_TLS_CERT, INGEST_TLS_KEY, INGEST_CLIENT_CA: give PEM files, the key being that of the certificate');
  });
});

describe('with client certificates', () => {
  const start = async (allowed: string[] = []) => {
    const volume = await volumeOf(files());
    const { port } = await endpoint({ INGEST_AUTH: 'mtls', INGEST_CLIENT_CA: volume.path('ca.crt'), INGEST_ALLOWED_SUBJECTS: allowed, ...tls(volume) });
    return { volume, port };
  };
  const status = async (...args: Parameters<typeof send>): Promise<number | undefined> => (await send(...args))[0];

  test('whoever has one of our authority may send, others not', async () => {
    const { port } = await start();
    expect([await status(port, lds), await status(port, other), await status(port)]).toEqual([202, 403, 403]);
  });

  test('of those only who is on the list', async () => {
    expect(await status((await start(['grader', 'l*'])).port, lds)).toBe(202);
    expect(await status((await start(['grader', 'l'])).port, lds)).toBe(403);
  });

  test('the handshake needs none', async () => {
    expect(await status((await start()).port, undefined, { method: 'OPTIONS' })).toBe(200);
  });

  test('an authority is replaced without a restart, and a session of the old one is not resumed', async () => {
    const { port, volume } = await start();
    const agent = new Agent({ keepAlive: false });
    cleanUps.push(() => agent.destroy());
    expect(await status(port, lds, { agent })).toBe(202);
    await volume.update(files(server, theirs));
    await until('the new one is believed', async () => (await status(port, other)) === 202);
    expect(await status(port, lds, { agent })).toBe(403);
  });

  test('an authority file without a certificate stops the start: it would believe everybody, or nobody', async () => {
    const volume = await volumeOf({ ...files(), 'ca.crt': '' });
    await expect(endpoint({ INGEST_AUTH: 'mtls', INGEST_CLIENT_CA: volume.path('ca.crt'), ...tls(volume) })).rejects.toThrow('INGEST_CLIENT_CA: give PEM files');
  });
});
