import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createSinks, SinkConfigurationError } from '../../../src/events/sinks.ts';
import { answer, chatty, TestSink } from '../../support/events/sink.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { SinkSettings } from '../../../src/events/sinks.ts';

const event: CloudEvent = { id: '1', source: '/ccm', type: 'ccm.lablet.session.stopping', datacontenttype: 'application/json', extensions: new Map([['sequence', '0000000001']]), data: { kind: 'json', value: { session_id: 'x' } } };
const never = new AbortController().signal;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function sinkThat(react?: TestSink['react']): Promise<TestSink> {
  const sink = await TestSink.start(react);
  cleanups.push(() => sink.close());
  return sink;
}

/** Sends one event to the only sink of the settings. */
async function send(settings: SinkSettings, signal = never) {
  const [sink] = createSinks(settings);
  if (!sink) throw new Error('no sink');
  cleanups.push(() => sink.close());
  return sink.send(event, signal);
}

describe('a delivery', () => {
  test.each([200, 201, 202, 204])('answered %d is accepted, whatever the body', async (status) => {
    const sink = await sinkThat(() => (status === 200 ? chatty : answer(status)));
    expect(await send({ urls: sink.url.href })).toEqual({ outcome: 'accepted' });
  });

  test.each([404, 408, 409, 429, 500, 502, 503])('answered %d is to be repeated', async (status) => {
    const sink = await sinkThat(() => answer(status));
    expect(await send({ urls: sink.url.href })).toMatchObject({ outcome: 'retry', reason: `the sink answered ${status}` });
  });

  test.each([301, 400, 401, 403, 405, 410, 413, 415, 422])('answered %d is refused: repeating it is of no use', async (status) => {
    const sink = await sinkThat(() => answer(status, { location: '/elsewhere' }));
    expect(await send({ urls: sink.url.href })).toEqual({ outcome: 'refused', reason: `the sink answered ${status}`, code: status });
    expect(sink.arrivals).toHaveLength(1);
  });

  test('without anybody listening is to be repeated', async () => {
    const sink = await TestSink.start();
    const { href } = sink.url;
    await sink.close();
    expect(await send({ urls: href })).toMatchObject({ outcome: 'retry', blamesSink: true, reason: expect.stringContaining('ECONNREFUSED') });
  });

  test.each([['seconds', '7', 7000], ['a date', 'Thu, 01 Jan 1970 00:00:00 GMT', 0], ['days, which are cut', '999999', 600_000], ['nonsense', 'soon', undefined]])('honours a Retry-After in %s', async (_, header, retryAfterMs) => {
    const sink = await sinkThat(() => answer(503, { 'retry-after': header }));
    expect(await send({ urls: sink.url.href })).toMatchObject({ outcome: 'retry', retryAfterMs });
  });
});

describe('the wire', () => {
  test('is binary mode unless structured is asked for', async () => {
    const sink = await sinkThat();
    await send({ urls: sink.url.href });
    await send({ urls: sink.url.href, mode: 'structured' });
    expect(sink.arrivals.map(({ headers }) => headers['content-type'])).toEqual(['application/json', 'application/cloudevents+json']);
    expect(sink.arrivals[1]?.event).toEqual(sink.arrivals[0]?.event);
  });

  test('carries user and password of the URL as Basic, and the name does not show them', async () => {
    const sink = await sinkThat();
    const [made] = createSinks({ urls: `http://me:p%40ss@${sink.url.host}/in?code=abc` });
    cleanups.push(async () => made?.close());
    await made?.send(event, never);
    expect(sink.arrivals[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    expect(made?.name).toBe(`http://${sink.url.host}/in`);
  });
});

describe('a Knative SinkBinding', () => {
  test('is used if no sink is named, with its extensions and its token, which is read anew each time', async () => {
    const sink = await sinkThat();
    const directory = await mkdtemp(join(tmpdir(), 'oidc-'));
    cleanups.push(() => rm(directory, { recursive: true }));
    const tokenFile = join(directory, 'token');
    const [bound] = createSinks({ kSink: sink.url.href, kCeOverrides: '{"extensions":{"tenant":"exams"}}', tokenFile });
    if (!bound) throw new Error('no sink');
    cleanups.push(() => bound.close());
    await bound.send(event, never);
    await writeFile(tokenFile, 'first\n');
    await bound.send(event, never);
    await writeFile(tokenFile, 'second');
    await bound.send(event, never);
    expect(sink.arrivals.map(({ headers }) => headers.authorization)).toEqual([undefined, 'Bearer first', 'Bearer second']);
    expect(sink.arrivals[0]?.event.extensions.get('tenant')).toBe('exams');
  });

  test('gives way to a sink that is named, which does not get its token', async () => {
    const sink = await sinkThat();
    const directory = await mkdtemp(join(tmpdir(), 'oidc-'));
    cleanups.push(() => rm(directory, { recursive: true }));
    await writeFile(join(directory, 'token'), 'secret');
    await send({ urls: sink.url.href, kSink: 'http://broker.invalid', tokenFile: join(directory, 'token') });
    expect(sink.arrivals[0]?.headers.authorization).toBeUndefined();
  });
});

describe('the configuration', () => {
  test('without a sink means that nothing is emitted', () => {
    expect(createSinks({})).toEqual([]);
    expect(createSinks({ urls: ' ', kSink: '', kCeOverrides: '' })).toEqual([]);
  });

  test('may name several sinks', () => {
    const sinks = createSinks({ urls: 'http://a.example/x, https://b.example' });
    cleanups.push(...sinks.map((sink) => () => sink.close()));
    expect(sinks.map(({ name }) => name)).toEqual(['http://a.example/x', 'https://b.example/']);
  });

  test.each([
    [{ urls: 'kafka://broker' }, /give a URL that begins with http/],
    [{ urls: 'broker' }, /give a URL that begins with http/],
    [{ urls: 'http://a.example', kCeOverrides: '{"extensions":{"Bad-Name":"x"}}' }, /K_CE_OVERRIDES: give/],
    [{ urls: 'http://a.example', kCeOverrides: '{' }, /K_CE_OVERRIDES: give/],
  ])('%j is refused with what to write', (settings, message) => {
    expect(() => createSinks(settings)).toThrow(SinkConfigurationError);
    expect(() => createSinks(settings)).toThrow(message);
  });

  test('does not show a password in its complaint', () => {
    expect(() => createSinks({ urls: 'kafka://me:hunter2@broker?key=k' })).toThrow(expect.not.objectContaining({ message: expect.stringMatching(/hunter2|key=k/) }));
  });
});
