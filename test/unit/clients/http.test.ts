import { afterEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { CallReport } from '../../../src/clients/call.ts';
import { ExternalError, OutcomeUnknownError } from '../../../src/clients/errors.ts';
import { HttpHost } from '../../../src/clients/http.ts';
import type { HttpHostOptions } from '../../../src/clients/http.ts';
import type { ResilienceOptions } from '../../../src/clients/resilience.ts';
import { json, silence, startScriptedServer, status, truncated } from '../../support/scripted-server.ts';
import type { Answer, ScriptedServer } from '../../support/scripted-server.ts';

const QUICK: Partial<ResilienceOptions> = { retryBaseMs: 1, retryMaxMs: 2_000, breakerFailures: 100 };
const body = z.object({ id: z.string() });
const never = new AbortController().signal;
const get = { method: 'GET', path: '/labs/{id}', params: { id: 'l1' }, signal: never } as const;
const put = { method: 'PUT', path: '/labs/{id}/start', params: { id: 'l1' }, signal: never } as const;
const post = { method: 'POST', path: '/import', signal: never } as const;

const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(toClose.splice(0).map((close) => close()));
});

async function given(answers: readonly [Answer, ...Answer[]], options: Partial<HttpHostOptions> = {}): Promise<{ server: ScriptedServer; host: HttpHost }> {
  const server = await startScriptedServer(answers);
  const host = new HttpHost({ system: 'cml', endpoint: server.url, timeoutMs: 5_000, ...options, resilience: { ...QUICK, ...options.resilience } });
  // The server first: it cuts what is still open, so that the pool has nothing to wait for.
  toClose.push(async () => {
    await server.close();
    await host.close();
  });
  return { server, host };
}

/** The ExternalError that a call ends with. */
async function failureOf(call: Promise<unknown>): Promise<ExternalError> {
  const error: unknown = await call.then(
    () => 'it succeeded',
    (caught: unknown) => caught,
  );
  if (!(error instanceof ExternalError)) throw new Error(`expected an ExternalError, got ${String(error)}`);
  return error;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('retries', () => {
  test('a read that meets two 503 succeeds at the third try', async () => {
    const { server, host } = await given([status(503), status(503), json({ id: 'l1' })]);
    expect(await host.json(get, body)).toEqual({ id: 'l1' });
    expect(server.received).toHaveLength(3);
  });

  test('tries end: three 503 are an error that says so', async () => {
    const { server, host } = await given([json({ code: 503, description: 'maintenance' }, 503)]);
    const error = await failureOf(host.json(get, body));
    expect(error).toMatchObject({ kind: 'unavailable', status: 503, description: 'maintenance', retryable: true });
    expect(server.received).toHaveLength(3);
  });

  test.each([500, 503, 429])('a POST that meets %i is sent once and has done nothing', async (code) => {
    const { server, host } = await given([status(code)]);
    expect(await failureOf(host.send(post))).toMatchObject({ kind: 'unavailable', status: code });
    expect(server.received).toHaveLength(1);
  });

  test.each([400, 404, 409, 422])('a %i is an answer, not a reason to ask again', async (code) => {
    const { server, host } = await given([status(code)]);
    expect(await failureOf(host.send(put))).toMatchObject({ status: code });
    expect(server.received).toHaveLength(1);
  });

  test('a host that asks for a second of patience gets it', async () => {
    const { server, host } = await given([status(429, { 'retry-after': '1' }), json({ id: 'l1' })]);
    await host.json(get, body);
    const [first, second] = server.received;
    // A timer may fire a little early against another clock; without the header the pause would be 1 ms.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(900);
  });

  test('a host that asks for more patience than a call has gets it from the caller', async () => {
    const { server, host } = await given([status(503, { 'retry-after': '120' })]);
    expect(await failureOf(host.json(get, body))).toMatchObject({ kind: 'unavailable', retryAfterMs: 120_000 });
    expect(server.received).toHaveLength(1);
  });
});

describe('lost answers', () => {
  test('a read without an answer is a timeout', async () => {
    const { host } = await given([silence], { timeoutMs: 50 });
    expect(await failureOf(host.json(get, body))).toMatchObject({ kind: 'timeout', retryable: true });
  });

  test('an effect without an answer may have happened', async () => {
    const { server, host } = await given([silence], { timeoutMs: 50 });
    const error = await failureOf(host.send(post));
    expect(error).toBeInstanceOf(OutcomeUnknownError);
    expect(error.message).toBe(`CML ${new URL(server.url).host}: POST /import: no answer in time`);
    expect(server.received).toHaveLength(1);
  });

  test('a read whose answer breaks off is asked again', async () => {
    const { host } = await given([truncated, json({ id: 'l1' })]);
    expect(await host.json(get, body)).toEqual({ id: 'l1' });
  });

  test('an import whose answer breaks off may have happened, and is not sent again', async () => {
    const { server, host } = await given([truncated, json({ id: 'l1' })]);
    expect(await failureOf(host.json(post, body))).toBeInstanceOf(OutcomeUnknownError);
    expect(server.received).toHaveLength(1);
  });

  test('an import whose answer cannot be read has happened under an unknown id', async () => {
    const { host } = await given([json({ uuid: 'l1' })]);
    expect(await failureOf(host.json(post, body))).toBeInstanceOf(OutcomeUnknownError);
  });

  test.each([502, 504])('a gateway that answers %i to an effect does not know what the server did', async (code) => {
    const { host } = await given([status(code)]);
    expect(await failureOf(host.send(post))).toBeInstanceOf(OutcomeUnknownError);
  });

  test('a later "not now" does not settle what became of an earlier attempt', async () => {
    const { host } = await given([silence, status(503)], { timeoutMs: 100 });
    expect(await failureOf(host.send(put))).toBeInstanceOf(OutcomeUnknownError);
  });

  test('a later refusal does: the host has spoken', async () => {
    const { host } = await given([silence, status(404)], { timeoutMs: 100 });
    expect(await failureOf(host.send(put))).toMatchObject({ kind: 'notFound' });
  });

  test('a connection that is refused has done nothing', async () => {
    const { server, host } = await given([silence]);
    await server.close();
    const error = await failureOf(host.send(post));
    expect(error).toMatchObject({ kind: 'unavailable', description: 'connection refused' });
    toClose.length = 0;
  });
});

describe('aborts', () => {
  const stop = new Error('the lease is about to end');

  test('an effect in flight may have happened', async () => {
    const { server, host } = await given([silence]);
    const leader = new AbortController();
    const call = failureOf(host.send({ ...put, signal: leader.signal }));
    await until(() => server.received.length === 1);
    leader.abort(stop);
    expect(await call).toBeInstanceOf(OutcomeUnknownError);
    expect(server.received).toHaveLength(1);
  });

  test('a read in flight ends with the reason of the abort', async () => {
    const { server, host } = await given([silence]);
    const leader = new AbortController();
    const call = host.json({ ...get, signal: leader.signal }, body);
    const ended = expect(call).rejects.toBe(stop);
    await until(() => server.received.length === 1);
    leader.abort(stop);
    await ended;
  });

  test('an effect that waits for its turn is not sent any more', async () => {
    const { server, host } = await given([silence], { timeoutMs: 60_000, resilience: { concurrency: 1 } });
    const [ahead, leader] = [new AbortController(), new AbortController()];
    const first = host.json({ ...get, signal: ahead.signal }, body).catch(() => 'ended');
    await until(() => server.received.length === 1);
    const second = expect(host.send({ ...put, signal: leader.signal })).rejects.toBe(stop);
    leader.abort(stop);
    await second;
    ahead.abort();
    await first;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(server.received.map((request) => request.method)).toEqual(['GET']);
  });

  test('a pause between tries ends at once, and nothing is sent after it', async () => {
    const { server, host } = await given([status(503)], { resilience: { retryBaseMs: 300 } });
    const leader = new AbortController();
    const ends: unknown[] = [];
    host.json({ ...get, signal: leader.signal }, body).catch((error: unknown) => ends.push(error));
    await until(() => server.received.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    leader.abort(stop);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends).toEqual([stop]);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(server.received).toHaveLength(1);
  });

  test('a signal that is aborted beforehand sends nothing', async () => {
    const { server, host } = await given([status(204)]);
    await expect(host.send({ ...put, signal: AbortSignal.abort(stop) })).rejects.toBe(stop);
    expect(server.received).toHaveLength(0);
  });
});

describe('the circuit breaker', () => {
  const resilience = { retries: 0, breakerFailures: 3, breakerOpenMs: 200 };

  test('a host that keeps failing is left alone, probed by one call, and used again', async () => {
    const { server, host } = await given([status(500), status(500), status(500), json({ id: 'l1' })], { resilience });
    for (let n = 0; n < 3; n += 1) await failureOf(host.json(get, body));
    expect(await failureOf(host.json(get, body))).toMatchObject({ kind: 'circuitOpen', retryable: true });
    expect(server.received).toHaveLength(3);
    await new Promise((resolve) => setTimeout(resolve, 250));
    const answers = await Promise.all([host.json(get, body), host.json(get, body)]);
    expect(answers).toEqual([{ id: 'l1' }, { id: 'l1' }]);
  });

  test('a probe that fails keeps the host alone', async () => {
    const { server, host } = await given([status(500)], { resilience });
    for (let n = 0; n < 3; n += 1) await failureOf(host.json(get, body));
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(await failureOf(host.json(get, body))).toMatchObject({ kind: 'unavailable' });
    expect(await failureOf(host.json(get, body))).toMatchObject({ kind: 'circuitOpen' });
    expect(server.received).toHaveLength(4);
  });

  test.each([400, 404, 409, 429])('a host that answers %i is well', async (code) => {
    const { server, host } = await given([status(code)], { resilience });
    for (let n = 0; n < 6; n += 1) await failureOf(host.json(get, body));
    expect(server.received).toHaveLength(6);
  });

  test('aborted calls do not speak against the host', async () => {
    const { server, host } = await given([silence], { resilience });
    for (let n = 1; n <= 5; n += 1) {
      const leader = new AbortController();
      const call = host.json({ ...get, signal: leader.signal }, body).catch(() => 'ended');
      await until(() => server.received.length === n);
      leader.abort();
      await call;
    }
    expect(server.received).toHaveLength(5);
  });

  test('one host that fails does not stop another', async () => {
    const bad = await given([status(500)], { resilience });
    const good = await given([json({ id: 'l1' })], { resilience });
    for (let n = 0; n < 4; n += 1) await failureOf(bad.host.json(get, body));
    expect(await good.host.json(get, body)).toEqual({ id: 'l1' });
  });
});

describe('bounds', () => {
  const slow: Answer = (response) => {
    setTimeout(() => response.end('{"id":"l1"}'), 20);
  };

  test('never more calls in flight than allowed, and all get their turn', async () => {
    const { server, host } = await given([slow], { resilience: { concurrency: 3 } });
    await Promise.all(Array.from({ length: 20 }, () => host.json(get, body)));
    expect(server.received).toHaveLength(20);
    expect(server.peak()).toBe(3);
  });

  test('a call beyond the queue is refused at once', async () => {
    const { server, host } = await given([slow], { resilience: { concurrency: 1, queue: 2, retries: 0 } });
    const calls = Array.from({ length: 4 }, () => host.send(put));
    expect(await failureOf(calls[3] ?? Promise.resolve())).toMatchObject({ kind: 'unavailable', retryable: true });
    await Promise.all(calls.slice(0, 3));
    expect(server.received).toHaveLength(3);
  });

  test('an answer of 20 MB is refused, and not asked for again', async () => {
    const { server, host } = await given([(response) => response.end(Buffer.alloc(20 * 1024 * 1024, 'x'))]);
    expect(await failureOf(host.text(get))).toMatchObject({ kind: 'badResponse', retryable: false, description: 'the answer is too large' });
    expect(server.received).toHaveLength(1);
  });

  test('an endless error page is refused as well', async () => {
    const { host } = await given([(response) => response.writeHead(400).end(Buffer.alloc(2_000, 'x'))], { maxResponseBytes: 1_000 });
    expect(await failureOf(host.text(get))).toMatchObject({ kind: 'badResponse' });
  });
});

describe('what is told', () => {
  test('host, call and the other side\'s own words, without ids', async () => {
    const { server, host } = await given([json({ code: 400, description: 'Licence node limit (20) reached' }, 400)]);
    const { host: name } = new URL(server.url);
    const error = await failureOf(host.send(put));
    expect(error.message).toBe(`CML ${name}: PUT /labs/{id}/start: 400 Licence node limit (20) reached`);
    expect(error).toMatchObject({ system: 'cml', host: name, call: 'PUT /labs/{id}/start', kind: 'badRequest', retryable: false });
  });

  test('nothing secret that the other side repeats, no URL, no page of HTML', async () => {
    const echo = 'bad token s3cr3t at https://lds.example.org/launch?key=abc, try again';
    const { host } = await given([json({ message: echo }, 400), (response) => response.writeHead(400).end('<html>s3cr3t</html>')]);
    const call = { ...put, secrets: ['s3cr3t'] };
    expect((await failureOf(host.send(call))).description).toBe('bad token [redacted] at [url] try again');
    expect((await failureOf(host.send(call))).description).toBe('Bad Request');
  });

  test('which field of an answer is wrong', async () => {
    const { host } = await given([json({ id: 7 })]);
    const error = await failureOf(host.json(get, body));
    expect(error).toMatchObject({ kind: 'badResponse', retryable: false });
    expect(error.description).toMatch(/^unexpected answer: id: .*string/);
  });

  test('a redirect is not followed: credentials go to the host that was named and to no other', async () => {
    const { server, host } = await given([status(302, { location: '/elsewhere' })]);
    expect(await failureOf(host.json(get, body))).toMatchObject({ kind: 'badResponse', status: 302 });
    expect(server.received).toHaveLength(1);
  });

  test('every attempt is reported once, with its status', async () => {
    const reports: CallReport[] = [];
    const { host } = await given([status(503), silence, json({ id: 'l1' })], { timeoutMs: 100, onCall: (report) => reports.push(report) });
    await host.json(get, body);
    expect(reports.map(({ call, status: outcome }) => `${call} ${outcome}`)).toEqual(['GET /labs/{id} 503', 'GET /labs/{id} timeout', 'GET /labs/{id} 200']);
    expect(reports.every(({ seconds }) => seconds > 0)).toBe(true);
  });
});

describe('requests', () => {
  test('parameters are encoded and cannot leave their place in the path', async () => {
    const { server, host } = await given([status(204)]);
    await host.send({ ...put, params: { id: 'a/b c?d' }, query: { title: 'x&y' } });
    expect(server.received[0]?.url).toBe('/labs/a%2Fb%20c%3Fd/start?title=x%26y');
    await expect(host.send({ ...put, params: { id: '..' } })).rejects.toThrow(/no usable value for \{id\}/);
    await expect(host.send({ ...put, params: {} })).rejects.toThrow(/no usable value for \{id\}/);
  });

  test('an endpoint that is no URL is refused with an example', () => {
    expect(() => new HttpHost({ system: 'cml', endpoint: 'cml-01.example.org' })).toThrow(/write it like "https:/);
    expect(() => new HttpHost({ system: 'cml', endpoint: 'ftp://cml-01.example.org' })).toThrow(/write it like "https:/);
  });
});
