import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CredentialSource } from '../../../src/kube/credentials.ts';
import { AlreadyExistsError, ConfigurationError, ConflictError, ExpiredError, ForbiddenError, InvalidError, NotFoundError, ProtocolError, ServerUnavailableError, TimeoutError, TooManyRequestsError, TransportError, UnauthorizedError } from '../../../src/kube/errors.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { fixedCredentials } from '../../../src/kube/credentials.ts';
import { noMetrics, silentLogger } from '../../../src/kube/observe.ts';
import { CONFIG_MAPS } from '../../support/kube-objects.ts';
import { ScriptedApi, configMap, json, list, noAnswer, refusal, watch, type Answer } from '../../support/scripted-api.ts';

let api: ScriptedApi;
beforeEach(async () => {
  api = await ScriptedApi.start();
});
afterEach(async () => {
  await api.stop();
});

const found = json(configMap('a', 7));
const never: Answer = () => undefined;

describe('connections', () => {
  test('fifty calls one after the other share their connection', async () => {
    api.on('other', found);
    const client = api.client();
    for (let call = 0; call < 50; call += 1) await client.get(CONFIG_MAPS, 'a', 'default');
    expect(api.requests).toHaveLength(50);
    // Two, because a connection rests for one turn of the event loop before it serves again.
    expect(api.connections).toBeLessThanOrEqual(2);
  });

  test('calls beyond the cap wait for a free connection instead of opening another', async () => {
    api.on('other', found);
    const client = api.client({ connections: 4 });
    await Promise.all(Array.from({ length: 200 }, () => client.get(CONFIG_MAPS, 'a', 'default')));
    expect(api.requests).toHaveLength(200);
    expect(api.connections).toBeLessThanOrEqual(4);
  });

  test('watches do not take connections away from calls', async () => {
    api.on('other', found).on('watch', watch([], 'silent'));
    const client = api.client({ connections: 1 });
    const stop = new AbortController();
    const watches = Array.from({ length: 5 }, () => client.watch(CONFIG_MAPS, { resourceVersion: '1', signal: stop.signal }).next());
    while (api.openWatches < 5) await new Promise(setImmediate);
    await expect(client.get(CONFIG_MAPS, 'a', 'default')).resolves.toMatchObject({ metadata: { name: 'a' } });
    stop.abort(new Error('enough'));
    for (const result of await Promise.allSettled(watches)) expect(result).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
  });
});

describe('refusals become typed errors', () => {
  test.each([
    [404, 'NotFound', NotFoundError],
    [409, 'Conflict', ConflictError],
    [409, 'AlreadyExists', AlreadyExistsError],
    [410, 'Expired', ExpiredError],
    [410, 'Gone', ExpiredError],
    [422, 'Invalid', InvalidError],
    [400, 'BadRequest', InvalidError],
    [403, 'Forbidden', ForbiddenError],
    [401, 'Unauthorized', UnauthorizedError],
    [429, 'TooManyRequests', TooManyRequestsError],
    [503, 'ServiceUnavailable', ServerUnavailableError],
    [500, 'InternalError', ServerUnavailableError],
  ] as const)('%i %s', async (status, reason, kind) => {
    api.on('other', refusal(status, reason));
    const error: unknown = await api.client().get(CONFIG_MAPS, 'a', 'default', { retries: 0 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ status, reason, message: `GET /api/v1/namespaces/default/configmaps/a: ${status} ${reason}: refused: ${reason}` });
  });

  test('a page of a proxy is quoted in short', async () => {
    api.on('other', (response) => void response.writeHead(502, { 'content-type': 'text/html' }).end(`<h1>Bad gateway</h1>${'x'.repeat(5000)}`));
    const error = await api.client().get(CONFIG_MAPS, 'a', 'default', { retries: 0 }).catch((thrown: unknown) => thrown as ServerUnavailableError);
    expect(error).toBeInstanceOf(ServerUnavailableError);
    expect((error as Error).message).toMatch(/: 502: <h1>Bad gateway<\/h1>x+$/);
    expect((error as Error).message.length).toBeLessThan(300);
  });

  test('an answer that is not JSON is a breach of the protocol', async () => {
    api.on('other', (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"half":'));
    await expect(api.client().get(CONFIG_MAPS, 'a', 'default')).rejects.toBeInstanceOf(ProtocolError);
  });

  test('a list whose items are no objects is a breach of the protocol', async () => {
    api.on('list', json({ metadata: { resourceVersion: '1' }, items: [{ metadata: { name: 'no-uid' } }] }));
    await expect(api.client().list(CONFIG_MAPS)).rejects.toBeInstanceOf(ProtocolError);
  });
});

describe('what is tried again', () => {
  test.each([
    ['429', refusal(429, 'TooManyRequests')],
    ['500', refusal(500, 'InternalError')],
    ['503', refusal(503, 'ServiceUnavailable')],
    ['a broken connection', noAnswer],
  ])('a read survives %s', async (_name, failure) => {
    api.on('other', failure, failure, found);
    await expect(api.client().get(CONFIG_MAPS, 'a', 'default')).resolves.toMatchObject({ metadata: { resourceVersion: '7' } });
    expect(api.requests).toHaveLength(3);
  });

  test('a read gives up after its retries', async () => {
    api.on('other', refusal(503, 'ServiceUnavailable'));
    await expect(api.client().get(CONFIG_MAPS, 'a', 'default', { retries: 2 })).rejects.toBeInstanceOf(ServerUnavailableError);
    expect(api.requests).toHaveLength(3);
  });

  test('a write is tried again after 429, which is refused before it is processed', async () => {
    api.on('other', refusal(429, 'TooManyRequests'), found);
    await api.client().mergePatch(CONFIG_MAPS, 'a', 'default', { data: { x: '1' } });
    expect(api.requests).toHaveLength(2);
  });

  test.each([
    ['500', refusal(500, 'InternalError'), ServerUnavailableError],
    ['a broken connection', noAnswer, TransportError],
  ] as const)('a write is sent once if %s leaves its outcome unknown', async (_name, failure, kind) => {
    api.on('other', failure);
    const error: unknown = await api.client().mergePatch(CONFIG_MAPS, 'a', 'default', {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(kind);
    if (error instanceof TransportError) expect(error.outcome).toBe('unknown');
    expect(api.requests).toHaveLength(1);
  });

  test('a write to a port where nobody listens is tried again, and says at last that it was not sent', async () => {
    const url = api.url;
    await api.stop();
    const retries: string[] = [];
    const client = new KubeClient(
      { server: url, credentials: fixedCredentials({ headers: {} }), namespace: 'default', origin: 'nowhere' },
      { retry: { retries: 2, backoff: { baseMs: 1, maxMs: 2 } }, metrics: { ...noMetrics, retry: (verb) => void retries.push(verb) } },
    );
    const error: unknown = await client.mergePatch(CONFIG_MAPS, 'a', 'default', {}).catch((thrown: unknown) => thrown);
    await client.close();
    expect(error).toBeInstanceOf(TransportError);
    expect(error).toMatchObject({ outcome: 'not-sent' });
    expect(retries).toEqual(['patch', 'patch']);
  });

  test('Retry-After is waited for, unless it asks for more than a caller should wait', async () => {
    api.on('other', refusal(429, 'TooManyRequests', { 'retry-after': '1' }), found);
    const start = performance.now();
    await api.client().get(CONFIG_MAPS, 'a', 'default');
    expect(performance.now() - start).toBeGreaterThanOrEqual(990);
    api.on('other', refusal(429, 'TooManyRequests', { 'retry-after': '3600' }));
    await expect(api.client().get(CONFIG_MAPS, 'a', 'default')).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
  });
});

describe('time and stopping', () => {
  test('a call without an answer ends in time, with its outcome unknown', async () => {
    api.on('other', never);
    const error: unknown = await api.client({ timeoutMs: 50 }).mergePatch(CONFIG_MAPS, 'a', 'default', {}).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ outcome: 'unknown', code: 'KUBE_TIMEOUT' });
  });

  test('an answer that stalls half-way ends in time too', async () => {
    api.on('other', (response) => void response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"metadata":'));
    await expect(api.client({ timeoutMs: 50 }).get(CONFIG_MAPS, 'a', 'default', { retries: 0 })).rejects.toBeInstanceOf(TimeoutError);
  });

  test('an aborted call fails with the reason of its signal and is not tried again', async () => {
    api.on('other', never);
    const stop = new AbortController();
    const call = api.client().get(CONFIG_MAPS, 'a', 'default', { signal: stop.signal });
    while (api.requests.length === 0) await new Promise(setImmediate);
    stop.abort(new Error('lost the lease'));
    await expect(call).rejects.toThrow('lost the lease');
    expect(api.requests).toHaveLength(1);
  });

  test('an abort ends the wait between two attempts', async () => {
    api.on('other', refusal(429, 'TooManyRequests', { 'retry-after': '20' }));
    const stop = new AbortController();
    const call = api.client().get(CONFIG_MAPS, 'a', 'default', { signal: stop.signal });
    while (api.requests.length === 0) await new Promise(setImmediate);
    stop.abort(new Error('shutting down'));
    await expect(call).rejects.toThrow('shutting down');
  });
});

describe('credentials', () => {
  /** Tokens that the server takes one after the other. */
  function rotating(): CredentialSource & { refreshes: number } {
    let current = { headers: { authorization: 'Bearer 0' } };
    const source = {
      refreshes: 0,
      get: async () => current,
      refresh: async (rejected: object) => {
        if (rejected !== current) return;
        source.refreshes += 1;
        current = { headers: { authorization: `Bearer ${source.refreshes}` } };
      },
    };
    return source;
  }
  const onlyToken = (token: string): Answer => (response, request) =>
    (request.headers.authorization === `Bearer ${token}` ? found : refusal(401, 'Unauthorized'))(response, request);

  test('a rotated token is fetched once, and the write goes out again', async () => {
    api.on('other', onlyToken('1'));
    const credentials = rotating();
    await api.client({ credentials }).mergePatch(CONFIG_MAPS, 'a', 'default', {});
    expect(credentials.refreshes).toBe(1);
    expect(api.requests.map((request) => request.headers.authorization)).toEqual(['Bearer 0', 'Bearer 1']);
  });

  test('many calls that are refused together fetch one new token', async () => {
    api.on('other', onlyToken('1'));
    const credentials = rotating();
    await Promise.all(Array.from({ length: 20 }, () => api.client({ credentials }).get(CONFIG_MAPS, 'a', 'default')));
    expect(credentials.refreshes).toBe(1);
  });

  test('a server that takes no token gets no third try', async () => {
    api.on('other', refusal(401, 'Unauthorized'));
    await expect(api.client({ credentials: rotating() }).get(CONFIG_MAPS, 'a', 'default')).rejects.toBeInstanceOf(UnauthorizedError);
    expect(api.requests).toHaveLength(2);
  });
});

describe('requests as the API wants them', () => {
  test('each patch has its media type, and the subresource its path', async () => {
    api.on('other', found);
    const client = api.client({ fieldManager: 'me' });
    await client.mergePatch(CONFIG_MAPS, 'a', 'default', {}, { subresource: 'status' });
    await client.jsonPatch(CONFIG_MAPS, 'a', 'default', []);
    await client.apply(CONFIG_MAPS, 'a', 'default', {}, { fieldManager: 'other', force: true });
    expect(api.requests.map((request) => [request.headers['content-type'], request.path, request.query.toString()])).toEqual([
      ['application/merge-patch+json', '/api/v1/namespaces/default/configmaps/a/status', 'fieldManager=me'],
      ['application/json-patch+json', '/api/v1/namespaces/default/configmaps/a', 'fieldManager=me'],
      ['application/apply-patch+yaml', '/api/v1/namespaces/default/configmaps/a', 'fieldManager=other&force=true'],
    ]);
  });

  test('a missing name or namespace is refused here: the path would mean the whole collection', async () => {
    const client = api.client();
    await expect(client.delete(CONFIG_MAPS, '', 'default')).rejects.toBeInstanceOf(ConfigurationError);
    await expect(client.delete(CONFIG_MAPS, 'a')).rejects.toBeInstanceOf(ConfigurationError);
    await expect(client.create(CONFIG_MAPS, { metadata: { name: 'a' } })).rejects.toBeInstanceOf(ConfigurationError);
    expect(api.requests).toEqual([]);
  });

  test('names cannot leave their place in the path', async () => {
    api.on('other', found);
    await api.client().get(CONFIG_MAPS, '../secrets/a?x', 'default');
    expect(api.requests[0]?.path).toBe('/api/v1/namespaces/default/configmaps/..%2Fsecrets%2Fa%3Fx');
  });

  test('a delete carries its preconditions', async () => {
    api.on('other', json({ kind: 'Status', status: 'Success' }));
    await api.client().delete(CONFIG_MAPS, 'a', 'default', { preconditions: { uid: 'u' }, propagationPolicy: 'Background' });
    expect(JSON.parse(api.requests[0]?.body ?? '')).toEqual({ apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'u' }, propagationPolicy: 'Background' });
  });

  test('items of a list get the kind that lists of built-in kinds leave out', async () => {
    const { metadata } = configMap('a', 1);
    api.on('list', json({ metadata: { resourceVersion: '5', continue: 'more', remainingItemCount: 3 }, items: [{ metadata }] }));
    await expect(api.client().list(CONFIG_MAPS)).resolves.toEqual({
      items: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata }],
      resourceVersion: '5',
      continue: 'more',
      remaining: 3,
    });
  });

  test('raw gives text where the answer is text, and JSON where it is JSON', async () => {
    api.on('other', (response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end('ok'), json({ minor: '37' }));
    const client = api.client();
    await expect(client.raw('GET', '/readyz')).resolves.toBe('ok');
    await expect(client.raw('GET', '/version')).resolves.toEqual({ minor: '37' });
  });

  test('a warning of the API server is logged once', async () => {
    const warning = '299 - "unknown field \\"status.phse\\""';
    api.on('other', json(configMap('a', 1), 200, { warning }));
    const logged: object[] = [];
    const client = api.client({ logger: { ...silentLogger, warn: (fields) => void logged.push(fields) } });
    await client.get(CONFIG_MAPS, 'a', 'default');
    await client.get(CONFIG_MAPS, 'a', 'default');
    expect(logged).toEqual([{ warning, request: 'GET /api/v1/namespaces/default/configmaps/a' }]);
  });

  test('every attempt is counted with its verb, resource and code', async () => {
    const counted: string[] = [];
    api.on('other', refusal(503, 'ServiceUnavailable'), found).on('list', list(1));
    const client = api.client({ metrics: { ...noMetrics, request: (verb, resource, code) => void counted.push(`${verb} ${resource} ${code}`) } });
    await client.get(CONFIG_MAPS, 'a', 'default');
    await client.list(CONFIG_MAPS);
    expect(counted).toEqual(['get configmaps 503', 'get configmaps 200', 'list configmaps 200']);
  });
});
