import { once } from 'node:events';
import { createServer } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { HTTP, CloudEvent as SdkEvent } from 'cloudevents';
import { createAuthority } from '../../../hack/cluster/pki.ts';
import { startIngestServer } from '../../../src/events/ingest-server.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { minimal, minimalJson, STRUCTURED } from '../../support/events/requests.ts';
import { until } from '../../support/events/until.ts';
import type { AddressInfo } from 'node:net';
import type { CloudEvent, CloudEventError } from '../../../src/events/cloudevent.ts';
import type { IngestServer, IngestServerOptions } from '../../../src/events/ingest-server.ts';
import type { Verdict } from '../../../src/events/ingest.ts';

const servers: IngestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close(0);
});

interface Running {
  readonly url: string;
  readonly port: number;
  readonly accepted: CloudEvent[];
  /** What was no event. */
  readonly refused: string[];
  /** Why a request was answered without a look at its event. */
  readonly turnedAway: string[];
}

/** A server whose verdicts are given by the id of an event. */
async function serve(verdictOf: (event: CloudEvent) => Verdict | Promise<Verdict> = () => ({ status: 202, result: 'applied' }), options: Partial<IngestServerOptions> = {}): Promise<Running> {
  const accepted: CloudEvent[] = [];
  const accept = async (event: CloudEvent): Promise<Verdict> => {
    accepted.push(event);
    return verdictOf(event);
  };
  const refused: string[] = [];
  const refuse = ({ status, message }: CloudEventError): Verdict => {
    refused.push(message);
    return { status, result: 'invalid', message };
  };
  const turnedAway: string[] = [];
  const server = await startIngestServer({ ingest: { accept, refuse }, turnedAway: (why) => void turnedAway.push(why), log: silentLog, isReady: () => true, port: 0, host: '127.0.0.1', ...options });
  servers.push(server);
  return { url: `http://127.0.0.1:${server.port}`, port: server.port, accepted, refused, turnedAway };
}

const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

const post = (url: string, headers: Record<string, string> = minimal, body?: string): Promise<Response> => fetch(url, { method: 'POST', headers, ...(body === undefined ? {} : { body }) });

describe('an accepted event', () => {
  test.each(['/', '/events', '/api/events'])('on %s is answered with 202, no body, no content type and no ce- header', async (path) => {
    const { url, accepted } = await serve();
    const response = await post(`${url}${path}`);
    expect([response.status, await response.text()]).toEqual([202, '']);
    expect([...response.headers.keys()].filter((name) => name === 'content-type' || name === 'etag' || name.startsWith('ce-') || name.startsWith('x-'))).toEqual([]);
    expect(accepted[0]).toMatchObject({ id: 'A234-1234', type: 'lds.session.started' });
  });

  test('may come in binary and structured mode from the npm SDK', async () => {
    const { url, accepted } = await serve();
    const event = new SdkEvent({ id: 'x1', source: '/lds', type: 'lds.session.ended', data: { session_id: 's' } });
    for (const { headers, body } of [HTTP.binary(event), HTTP.structured(event)]) {
      expect((await post(url, headers as Record<string, string>, String(body))).status).toBe(202);
    }
    expect(accepted.map(({ id, data }) => [id, data])).toEqual(Array(2).fill(['x1', { kind: 'json', value: { session_id: 's' } }]));
  });

  test('may come as a batch, even an empty one', async () => {
    const { url, accepted } = await serve();
    const headers = { 'content-type': 'application/cloudevents-batch+json' };
    expect((await post(url, headers, JSON.stringify([minimalJson, { ...minimalJson, id: 'B' }]))).status).toBe(202);
    expect((await post(url, headers, '[]')).status).toBe(202);
    expect(accepted.map(({ id }) => id)).toEqual(['A234-1234', 'B']);
  });
});

describe('an event that is not accepted', () => {
  test('is told why, and when to come again', async () => {
    const { url } = await serve(() => ({ status: 503, result: 'full', message: 'send it again later', retryAfter: 7 }));
    const response = await post(url);
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([503, '7', 'send it again later\n']);
  });

  test('makes its whole batch come again if it should, since the rest will be recognised', async () => {
    const { url, accepted } = await serve(({ id }) => (id === '2' ? { status: 400, result: 'invalid' } : id === '3' ? { status: 503, result: 'failed', retryAfter: 1 } : { status: 202, result: 'applied' }));
    const response = await post(url, { 'content-type': 'application/cloudevents-batch+json' }, JSON.stringify(['1', '2', '3', '4'].map((id) => ({ ...minimalJson, id }))));
    expect(response.status).toBe(503);
    expect(accepted).toHaveLength(4);
  });

  test('in a batch takes no other with it, and is named, so that the sender keeps it', async () => {
    const { url, accepted, refused } = await serve(({ id }) => (id === '3' ? { status: 413, result: 'too_large', message: 'too large' } : { status: 202, result: 'applied' }));
    const response = await post(url, BATCH, JSON.stringify([{ ...minimalJson, id: '1' }, { ...minimalJson, type: null }, { ...minimalJson, id: '3' }, { ...minimalJson, id: '4' }]));
    expect([response.status, await response.text()]).toEqual([400, 'event 1 of the batch: attribute type is missing\ntoo large\n']);
    expect([accepted.map(({ id }) => id), refused.length]).toEqual([['1', '3', '4'], 1]);
  });

  test('beside one of the same batch that must come again waits for it', async () => {
    const { url } = await serve(() => ({ status: 503, result: 'failed', message: 'later', retryAfter: 9 }));
    const response = await post(url, BATCH, JSON.stringify([{ ...minimalJson, type: null }, minimalJson]));
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([503, '9', 'later\n']);
  });

  test.each<[string, Record<string, string>, string, number]>([
    ['that is malformed', STRUCTURED, '{', 400],
    ['of an unknown format', { 'content-type': 'application/cloudevents+avro' }, 'x', 415],
    ['that is compressed', { ...minimal, 'content-encoding': 'gzip' }, 'x', 415],
    ['whose data are in another charset', { ...minimal, 'content-type': 'application/json; charset=utf-16' }, '{}', 415],
    ['of more than 1 MiB', { ...minimal, 'content-type': 'application/json' }, ' '.repeat(1024 * 1024 + 1), 413],
  ])('%s is refused for good', async (_, headers, body, status) => {
    const { url, accepted, refused } = await serve();
    const response = await post(url, headers, body);
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, null]);
    expect([accepted, refused.length]).toEqual([[], 1]);
  });

  test('of just 1 MiB is read', async () => {
    const { url, accepted } = await serve();
    expect((await post(url, { ...minimal, 'content-type': 'application/json' }, JSON.stringify('x'.repeat(1024 * 1024 - 2)))).status).toBe(202);
    expect(accepted).toHaveLength(1);
  });

  test('by a defect of ours is to come again', async () => {
    const { url } = await serve(() => Promise.reject(new Error('bug')));
    const response = await post(url);
    expect([response.status, Number(response.headers.get('retry-after')) > 0, await response.text()]).toEqual([503, true, 'internal error; send it again\n']);
  });

  test('says when to come again even where the verdict does not', async () => {
    const { url } = await serve(() => ({ status: 503, result: 'failed' }));
    expect(Number((await post(url)).headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('an event whose size is in its headers', () => {
  const attributes = (kilobytes: number) => Object.fromEntries(Array.from({ length: kilobytes }, (_, i) => [`ce-x${i}`, 'x'.repeat(1000)]));

  test('is read up to 64 KiB in all', async () => {
    const { url, accepted } = await serve();
    expect((await post(url, { ...minimal, ...attributes(60) })).status).toBe(202);
    expect(accepted[0]?.extensions.size).toBe(60);
  });

  test('is refused above that, before anything is read', async () => {
    const { url, accepted } = await serve();
    expect([(await post(url, { ...minimal, ...attributes(80) })).status, accepted.length]).toEqual([431, 0]);
  });
});

describe('the endpoint', () => {
  test.each(['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD'])('answers %s with 405 and what is allowed', async (method) => {
    const { url } = await serve();
    const response = await fetch(`${url}/events`, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  test('knows no other path', async () => {
    const { url } = await serve();
    expect((await post(`${url}/elsewhere`)).status).toBe(404);
  });

  test('takes part in the webhook handshake', async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/api/events`, { method: 'OPTIONS', headers: { 'WebHook-Request-Origin': 'eventgrid.azure.net', 'WebHook-Request-Rate': '120' } });
    expect([response.status, response.headers.get('webhook-allowed-origin'), response.headers.get('webhook-allowed-rate'), response.headers.get('allow')]).toEqual([200, 'eventgrid.azure.net', '*', 'POST, OPTIONS']);
  });

  test('answers the handshake itself: nobody is called back, and no events are taken', async () => {
    const { url, accepted } = await serve(undefined, { authenticate: async () => ({ status: 401, message: 'no' }) });
    const called: string[] = [];
    const stranger = createServer((request, response) => {
      called.push(request.url ?? '');
      response.end();
    }).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const callback = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/grant`;
    const response = await fetch(url, { method: 'OPTIONS', headers: { 'WebHook-Request-Origin': 'example.org', 'WebHook-Request-Callback': callback } });
    expect([response.status, response.headers.get('webhook-allowed-origin')]).toEqual([200, 'example.org']);
    expect((await post(url)).status).toBe(401);
    expect([called, accepted]).toEqual([[], []]);
    stranger.close();
  });

  test('asks to come again while it starts', async () => {
    const { url, turnedAway } = await serve(undefined, { isReady: () => false });
    const response = await post(url, minimal, 'x'.repeat(100_000));
    expect([response.status, response.headers.get('retry-after'), turnedAway]).toEqual([503, '1', ['not_ready']]);
  });

  test('goes on taking events while it leaves, and lets go of lasting connections', async () => {
    let leaving = false;
    const { url } = await serve(undefined, { isLeaving: () => leaving });
    expect((await post(url)).headers.get('connection')).toBe('keep-alive');
    leaving = true;
    const last = await post(url);
    expect([last.status, last.headers.get('connection')]).toEqual([202, 'close']);
  });

  test('takes so many requests at a time and asks the others to come again', async () => {
    const release = Promise.withResolvers<undefined>();
    const { url, accepted, turnedAway } = await serve(async () => {
      await release.promise;
      return { status: 202, result: 'applied' };
    }, { maxConcurrent: 2 });
    const held = [post(url), post(url)];
    await until('two are in work', () => accepted.length === 2);
    const third = await post(url);
    expect([third.status, third.headers.get('retry-after'), turnedAway]).toEqual([429, '1', ['too_many']]);
    release.resolve(undefined);
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([202, 202]);
    expect((await post(url)).status).toBe(202);
  });

  test('takes so many bytes at a time: a body without a length counts as the longest', async () => {
    const release = Promise.withResolvers<undefined>();
    const { port, url, accepted } = await serve(async () => {
      await release.promise;
      return { status: 202, result: 'applied' };
    }, { maxBytes: 1024 * 1024 });
    const held = connect(port, '127.0.0.1');
    held.write(`POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n${Object.entries(minimal).map((pair) => pair.join(': ')).join('\r\n')}\r\n\r\n2\r\n{}\r\n0\r\n\r\n`);
    await until('it is in work', () => accepted.length === 1);
    expect((await post(url, minimal, '{}')).status).toBe(429);
    const empty = post(url);
    await until('what has no body needs no room', () => accepted.length === 2);
    release.resolve(undefined);
    expect((await empty).status).toBe(202);
    held.destroy();
  });

  test('finishes what is under way when it closes', async () => {
    const release = Promise.withResolvers<undefined>();
    const { url, accepted } = await serve(async () => {
      await release.promise;
      return { status: 202, result: 'applied' };
    });
    const held = post(url);
    await until('it is in work', () => accepted.length === 1);
    const closing = servers.splice(0).map((server) => server.close());
    release.resolve(undefined);
    expect((await held).status).toBe(202);
    await Promise.all(closing);
    await expect(post(url)).rejects.toThrow();
  });

  test.each([
    ['its body', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nce-specversion: 1.0\r\n\r\nab'],
    ['its headers', 'POST / HTTP/1.1\r\nHost: x\r\nce-specver'],
    ['nothing at all', ''],
  ])('does not wait for ever for a sender that dribbles %s', async (_, text) => {
    const { port, accepted } = await serve(undefined, { headersTimeoutMs: 200, requestTimeoutMs: 300 });
    const socket = connect(port, '127.0.0.1');
    socket.write(text);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.once('close', () => resolve(text));
      socket.once('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(accepted).toEqual([]);
  });

  test('lets nobody go on for long over a connection that was made before its certificates changed', async () => {
    const authority = await createAuthority('test');
    const material = async () => {
      const { certificate, key } = await authority.issue({ commonName: 'x', hosts: ['127.0.0.1'] });
      return { cert: Buffer.from(certificate), key: Buffer.from(key) };
    };
    const release = Promise.withResolvers<undefined>();
    const { port, accepted } = await serve(async () => {
      await release.promise;
      return { status: 202, result: 'applied' };
    }, { tls: await material() });
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.certificate });
    const send = (): Promise<string | undefined> => new Promise((resolve, reject) => {
      const call = httpsRequest({ host: '127.0.0.1', port, method: 'POST', headers: minimal, agent }, (response) => {
        response.resume().once('end', () => resolve(response.headers.connection));
      });
      call.once('error', reject);
      call.end();
    });
    const busy = send();
    await until('it is in work', () => accepted.length === 1);
    servers[0]?.renewTls(await material());
    release.resolve(undefined);
    expect([await busy, await send(), await send()]).toEqual(['keep-alive', 'close', 'keep-alive']);
    agent.destroy();
  });

  test('does not wait for ever for a TLS handshake either', async () => {
    const { certificate, key } = await (await createAuthority('test')).issue({ commonName: 'x', hosts: ['127.0.0.1'] });
    const { port } = await serve(undefined, { headersTimeoutMs: 200, tls: { cert: Buffer.from(certificate), key: Buffer.from(key) } });
    const socket = connect(port, '127.0.0.1');
    await once(socket.resume(), 'close');
    expect(socket.bytesRead).toBe(0);
  });

  test('holds no place for who is not admitted: neither a slow body nor a large one is waited for', async () => {
    const { port, url, accepted } = await serve(undefined, { maxConcurrent: 1, authenticate: async ({ headers }) => (headers.authorization === undefined ? { status: 401, message: 'who are you?', challenge: 'Bearer' } : undefined) });
    const stranger = connect(port, '127.0.0.1');
    stranger.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nab');
    const [answer] = (await once(stranger, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 401 /);
    expect((await post(url, { ...minimal, authorization: 'x' })).status).toBe(202);
    expect(accepted).toHaveLength(1);
    stranger.destroy();
  });
});
