import { describe, expect, test } from '@jest/globals';
import { SinkConfigurationError } from '../../../src/events/sink.ts';
import { createDeadLetter, createSinks } from '../../../src/events/sinks.ts';
import { afterTest } from '../../support/after-test.ts';
import { sinkThat } from '../../support/events/sink-that.ts';
import { answer, chatty, TestSink } from '../../support/events/sink.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { SinkSettings } from '../../../src/events/sinks.ts';

const event: CloudEvent = { id: '1', source: '/ccm', type: 'ccm.lablet.session.stopping', datacontenttype: 'application/json', extensions: new Map([['sequence', '0000000001']]), data: { kind: 'json', value: { session_id: 'x' } } };
const never = new AbortController().signal;

/** Sends one event to the only sink of the settings. */
async function send(settings: SinkSettings, signal = never) {
  const [sink] = createSinks(settings);
  if (!sink) throw new Error('no sink');
  afterTest(() => sink.close());
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

  test.each([['seconds', '7', 7000], ['a date', new Date(Date.now() + 3_600_000).toUTCString(), 600_000], ['a date that is over', 'Thu, 01 Jan 1970 00:00:00 GMT', 0], ['days, which are cut', '999999', 600_000], ['nonsense', 'soon', undefined]])('honours a Retry-After in %s', async (_, header, retryAfterMs) => {
    const sink = await sinkThat(() => answer(503, { 'retry-after': header }));
    expect(await send({ urls: sink.url.href })).toMatchObject({ outcome: 'retry', retryAfterMs });
  });
});

describe('an answer', () => {
  test('without end is not waited for, and not kept', async () => {
    let sent = 0;
    const sink = await sinkThat(() => (response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed) {
          sent += 16_384;
          if (!response.write(Buffer.alloc(16_384))) break;
        }
      };
      response.on('drain', more);
      more();
    });
    expect(await send({ urls: sink.url.href })).toEqual({ outcome: 'accepted' });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test('that trickles counts by its status', async () => {
    const sink = await sinkThat(() => (response) => {
      response.writeHead(202);
      const trickle = setInterval(() => response.write('.'), 50);
      response.once('close', () => clearInterval(trickle));
    });
    expect(await send({ urls: sink.url.href })).toEqual({ outcome: 'accepted' });
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
    afterTest(async () => made?.close());
    await made?.send(event, never);
    expect(sink.arrivals[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    expect(made?.name).toBe(`http://${sink.url.host}/in`);
  });
});

describe('the configuration', () => {
  test('without a sink means that nothing is emitted', () => {
    expect(createSinks({})).toEqual([]);
    expect(createSinks({ urls: ' , ', binding: { sink: '', ceOverrides: '' } })).toEqual([]);
  });

  test('may name several sinks of any kind', () => {
    const urls = 'http://a.example/x, https://b.example,eventgrid+https://t.westeurope-1.eventgrid.azure.net,eventgridns+https://n.westeurope-1.eventgrid.azure.net/topics/exams,eventbridge://eu-west-1/default,file:///tmp/events.jsonl';
    const sinks = createSinks({ urls, eventGridKey: 'k' });
    for (const sink of sinks) afterTest(() => sink.close());
    expect(sinks.map(({ name }) => name)).toEqual([
      'http://a.example/x', 'https://b.example/', 'eventgrid+https://t.westeurope-1.eventgrid.azure.net/api/events',
      'eventgridns+https://n.westeurope-1.eventgrid.azure.net/topics/exams:publish', 'eventbridge://eu-west-1/default', 'file:///tmp/events.jsonl',
    ]);
  });

  test('tells sinks apart whose URLs differ only where secrets may stand', () => {
    const sinks = createSinks({ urls: 'http://a.example/in?code=1,http://a.example/in?code=2' });
    for (const sink of sinks) afterTest(() => sink.close());
    expect(sinks.map(({ name }) => name)).toEqual(['http://a.example/in', 'http://a.example/in (2)']);
  });

  test.each<[string, RegExp]>([
    ['kafka://broker', /write http:\/\/…, https/],
    ['broker', /write http:\/\/…, https/],
    ['file:events.jsonl', /write http:\/\/…, https/],
    ['file://host/events.jsonl', /write file:\/\/\/PATH/],
    ['file:///no/such/folder/events.jsonl', /the folder \/no\/such\/folder does not exist/],
    ['file:///tmp', /give the name of a file/],
    ['http://a.example,http://a.example', /'http:\/\/a.example' is named twice/],
    ['eventbridge://default', /write eventbridge:\/\/REGION\/BUS/],
    ['eventbridge:///default', /write eventbridge:\/\/REGION\/BUS/],
    ['eventbridge://AKIA:secret@eu-west-1/default', /write eventbridge:\/\/REGION\/BUS/],
    ['eventgridns+https://n.example/api/events', /its path must be like \/topics\/NAME/],
    ['eventgrid+https://key@t.example', /give the key in EVENTGRID_KEY/],
    ['eventgrid+http://t.example', /over http the key would be readable/],
  ])('%s is refused with what to write', (urls, message) => {
    const read = (): unknown => createSinks({ urls, eventGridKey: 'k' });
    expect(read).toThrow(SinkConfigurationError);
    expect(read).toThrow(message);
  });

  test('of Event Grid needs its key', () => {
    expect(() => createSinks({ urls: 'eventgrid+https://t.example' })).toThrow(/it needs EVENTGRID_KEY/);
  });

  test.each(['kafka://me:hunter2@broker?key=k', 'http://me:hunter2@', 'eventbridge://me:hunter2@x/y?key=k', 'eventgrid+https://me:hunter2@t.example/?aeg-sas-key=k', 'file://me:hunter2@h/x?key=k'])(
    '%s does not show its secrets in the complaint', (urls) => {
      expect(() => createSinks({ urls, eventGridKey: 'k' })).toThrow(SinkConfigurationError);
      expect(() => createSinks({ urls, eventGridKey: 'k' })).toThrow(expect.not.objectContaining({ message: expect.stringMatching(/hunter2|key=k/) }));
    });

  test('names at most one dead-letter sink, of any kind', () => {
    expect(createDeadLetter(undefined, {})).toBeUndefined();
    expect(createDeadLetter('file:///tmp/dead.jsonl', {})?.name).toBe('file:///tmp/dead.jsonl');
    expect(() => createDeadLetter('http://a.example,http://b.example', {})).toThrow(/CLOUDEVENTS_DEAD_LETTER_URL: give one URL/);
  });
});
