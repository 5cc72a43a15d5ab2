/**
 * Conformance with SDKs that others wrote: each sends events of every shape to our ingest endpoint, and receives the
 * same from our HTTP sink. A cell of the matrix is a test; its name says who sends what, and how.
 */
import { EventGridPublisherClient, AzureKeyCredential } from '@azure/eventgrid';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { envelope } from '../../src/events/envelope.ts';
import { encodeHeaderValue } from '../../src/events/header-value.ts';
import { startIngestServer } from '../../src/events/ingest-server.ts';
import { HttpSink } from '../../src/events/sink-http.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { goPeer, pythonPeer } from './peer.ts';
import { describeEvent, describeSample, eventOfSample, SAMPLES } from './samples.ts';
import type { CloudEvent, CloudEventError } from '../../src/events/cloudevent.ts';
import type { ContentMode } from '../../src/events/codec.ts';
import type { IngestServer } from '../../src/events/ingest-server.ts';
import type { Order, Peer } from './peer.ts';
import type { Description, Sample } from './samples.ts';

const BUILD_MS = 300_000;
/** Far above what a send on this machine takes. */
const PATIENCE = AbortSignal.timeout(600_000);

let server: IngestServer;
let url: string;
let accepted: CloudEvent[] = [];
let refused: string[] = [];

beforeAll(async () => {
  const accept = async (event: CloudEvent) => {
    accepted.push(event);
    return { status: 202, result: 'applied' } as const;
  };
  const refuse = ({ status, message }: CloudEventError) => {
    refused.push(message);
    return { status, result: 'invalid', message } as const;
  };
  server = await startIngestServer({ ingest: { accept, refuse }, log: silentLog, isReady: () => true, port: 0, host: '127.0.0.1' });
  url = `http://127.0.0.1:${server.port}/api/events`;
});
afterAll(() => server.close(0));

const names = Object.keys(SAMPLES);
const sampleOf = (name: string): Sample => {
  const sample = SAMPLES[name];
  if (sample === undefined) throw new Error(`no sample is called ${name}`);
  return sample;
};

/** What came in, and was taken, while `act` ran. */
async function takenBy(act: () => Promise<unknown>): Promise<Description[]> {
  [accepted, refused] = [[], []];
  await act();
  expect(refused).toEqual([]);
  return accepted.map(describeEvent);
}

const SENDING: readonly (readonly [how: string, Pick<Order, 'mode' | 'charset'>])[] = [
  ['binary mode', { mode: 'binary' }],
  ['structured mode', { mode: 'structured' }],
  ['structured mode with a charset', { mode: 'structured', charset: 'UTF-8' }],
];
const MODES: readonly ContentMode[] = ['binary', 'structured'];

/** What an SDK is known to do otherwise. Our own events are of such a kind that none of it matters. */
interface Sdk {
  readonly name: string;
  readonly start: () => Promise<Peer>;
  /** What the SDK makes of a sample when it sends it. */
  readonly sends: (expected: Description, mode: Order['mode']) => unknown;
  /** What it makes of a sample that we send; undefined: it cannot read it. */
  readonly receives: (expected: Description, mode: ContentMode) => unknown;
}

const isPlusJson = ({ datacontenttype }: Description): boolean => datacontenttype?.endsWith('+json') === true;

/**
 * Go's SDK knows JSON by application/json and text/json only: in structured mode it puts data of a +json type into a
 * text, and does not read them otherwise. It neither encodes nor decodes header values.
 */
const GO: Sdk = {
  name: 'Go sdk-go/v2',
  start: goPeer,
  sends: (expected, mode) => {
    if (mode === 'binary') return expected.subject === '100%25' ? { ...expected, subject: '100%' } : expected;
    return isPlusJson(expected) && expected.content && 'json' in expected.content ? { ...expected, content: { json: JSON.stringify(expected.content.json) } } : expected;
  },
  receives: (expected, mode) => {
    if (mode === 'structured') return isPlusJson(expected) ? undefined : expected;
    const asSent = Object.entries(expected.extensions).map(([name, value]) => [name, encodeHeaderValue(value)]);
    return { ...expected, subject: expected.subject && encodeHeaderValue(expected.subject), extensions: Object.fromEntries(asSent) as object };
  },
};

/** Python's SDK invents a time where none is given, on both sides. */
const timed = (expected: Description): unknown => ({ ...expected, instant: expected.instant ?? expect.any(Number) });
const PYTHON: Sdk = { name: 'Python cloudevents', start: pythonPeer, sends: timed, receives: timed };

describe.each([GO, PYTHON])('$name', ({ start, sends, receives }) => {
  let peer: Peer;
  beforeAll(async () => {
    peer = await start();
  }, BUILD_MS);
  afterAll(() => peer.close());

  describe.each(SENDING)('sends to us in %s', (_, how) => {
    test.each(names)('%s', async (name) => {
      const sample = sampleOf(name);
      const taken = await takenBy(async () => expect(await peer.send({ ...how, url, events: [sample] })).toBe(202));
      expect(taken).toEqual([sends(describeSample(sample), how.mode)]);
    });
  });

  describe.each(MODES)('receives from us in %s mode', (mode) => {
    let sink: HttpSink;
    beforeAll(() => {
      sink = new HttpSink({ url: new URL(peer.url), mode });
    });
    afterAll(() => sink.close());

    test.each(names)('%s', async (name) => {
      const sample = sampleOf(name);
      const expected = receives(describeSample(sample), mode);
      const { outcome } = await sink.send(eventOfSample(sample), PATIENCE);
      expect(outcome === 'accepted').toBe(expected !== undefined);
      if (expected !== undefined) expect(describeSample(await peer.received())).toEqual(expected);
    });

    test('an event as the emitter makes it', async () => {
      const object = { apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession', metadata: { name: 'ada', namespace: 'exams', uid: '0f1e2d3c-0000-4000-8000-000000000001' } };
      const entry = { id: '5b0e9c1e-0000-5c3b-8a11-000000000001', type: 'ccm.lablet.session.running', sequence: 7, time: '2026-11-23T10:00:00.000Z', data: '{"session_id":"ada","user_session_id":"u"}', causationId: 'evt-1' };
      const event = envelope(entry, object as never, { plural: 'labletsessions', kind: 'LabletSession' }, '/ccm/lablet-controller', null);
      expect(await sink.send(event, PATIENCE)).toEqual({ outcome: 'accepted' });
      const received = await peer.received();
      expect(describeSample(received)).toEqual(describeEvent(event));
      expect(describeSample(received)).toMatchObject({ source: '/ccm/lablet-controller/labletsessions/0f1e2d3c-0000-4000-8000-000000000001', subject: 'exams/ada', extensions: { sequence: '0000000007', causationid: 'evt-1' } });
    });
  });
});

describe('batches', () => {
  let go: Peer;
  beforeAll(async () => {
    go = await goPeer();
  }, BUILD_MS);
  afterAll(() => go.close());

  test.each([[undefined], ['UTF-8']])('Go sdk-go/v2 sends all of them at once, with the charset %s', async (charset) => {
    const events = names.map((name, index) => ({ ...sampleOf(name), id: String(index) }));
    const taken = await takenBy(async () => expect(await go.send({ mode: 'batch', charset, url, events })).toBe(202));
    expect(taken).toEqual(events.map((event) => GO.sends(describeSample(event), 'batch')));
  });

  /** The library is made for topics, which answer 200: it reports any other answer, 202 too, when the events are through. */
  const publish = async (...events: Parameters<EventGridPublisherClient<'CloudEvent'>['send']>[0]): Promise<void> => {
    const publisher = new EventGridPublisherClient(url, 'CloudEvent', new AzureKeyCredential('key'), { allowInsecureConnection: true });
    await expect(publisher.send(events)).rejects.toMatchObject({ name: 'RestError', statusCode: 202 });
  };

  test.each(['JSON data', 'JSON data outside of ASCII', 'every attribute', 'attributes outside of ASCII', 'attributes with quotes and percent signs'])('@azure/eventgrid sends %s, as a batch of one', async (name) => {
    const { id, source, type, datacontenttype = '', subject, dataschema, json, time = '', extensions } = sampleOf(name);
    const event = { id, source, type, datacontenttype, ...(subject && { subject }), ...(dataschema && { dataschema }), data: json as object, time: new Date(time), extensionAttributes: { ...extensions } };
    const taken = await takenBy(() => publish(event));
    expect(taken).toEqual([describeSample(sampleOf(name))]);
  });

  test('@azure/eventgrid sends binary data, and several events at once', async () => {
    const { id, source, type, datacontenttype = '', base64 = '', time = '' } = sampleOf('binary data');
    const event = { id, source, type, datacontenttype, data: Buffer.from(base64, 'base64'), time: new Date(time) };
    const taken = await takenBy(() => publish(event, { ...event, id: 'B' }));
    expect(taken).toEqual([describeSample(sampleOf('binary data')), { ...describeSample(sampleOf('binary data')), id: 'B' }]);
  });
});
