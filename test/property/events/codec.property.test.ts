import { describe, expect, test } from '@jest/globals';
import { HTTP } from 'cloudevents';
import fc from 'fast-check';
import { CloudEventError } from '../../../src/events/cloudevent.ts';
import { encodeEvent, parseRequest } from '../../../src/events/codec.ts';
import { rawRequest, received } from '../../support/events/requests.ts';
import type { CloudEvent, EventData, ExtensionValue } from '../../../src/events/cloudevent.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((value) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(value));
const name = fc.stringMatching(/^[a-z][a-z0-9]{0,19}$/).filter((value) => !['id', 'source', 'type', 'subject', 'time', 'data', 'dataschema', 'specversion', 'datacontenttype'].includes(value));
const uri = fc.webUrl();

const jsonData: fc.Arbitrary<[string | undefined, EventData]> = fc.tuple(
  fc.constantFrom('application/json', 'application/problem+json', 'text/json; charset=utf-8', undefined),
  fc.jsonValue({ maxDepth: 5 }).map((value) => ({ kind: 'json', value: JSON.parse(JSON.stringify(value)) as unknown })),
);
const bytesData: fc.Arbitrary<[string | undefined, EventData]> = fc.tuple(
  fc.constantFrom('application/octet-stream', 'text/plain', 'text/plain; charset=utf-8', 'image/png'),
  fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => ({ kind: 'bytes', bytes })),
);
const noData: fc.Arbitrary<[string | undefined, undefined]> = fc.constantFrom<[string | undefined, undefined]>([undefined, undefined], ['application/json', undefined]);

const anEvent = (extension: fc.Arbitrary<ExtensionValue>): fc.Arbitrary<CloudEvent> => fc.record({
  id: text,
  source: uri,
  type: text,
  subject: fc.option(text, { nil: undefined }),
  time: fc.option(fc.date({ min: new Date('1990-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }).map((date) => date.toISOString()), { nil: undefined }),
  dataschema: fc.option(uri, { nil: undefined }),
  extensions: fc.uniqueArray(fc.tuple(name, extension), { selector: ([key]) => key, maxLength: 6 }).map((pairs) => new Map(pairs)),
  content: fc.oneof(jsonData, bytesData, noData),
}).map(({ content: [datacontenttype, data], ...event }) => ({ ...event, datacontenttype, data }));

const plain = (event: CloudEvent | undefined) => event && { ...event, data: event.data?.kind === 'bytes' ? [...event.data.bytes] : event.data };
const onWire = fc.oneof(fc.boolean(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), text);

describe('whatever the event', () => {
  test('structured mode brings back what was sent', () => {
    fc.assert(fc.property(anEvent(onWire), (event) => {
      expect(plain(parseRequest(received(encodeEvent(event, 'structured'))).events[0])).toEqual(plain(event));
    }));
  });

  test('binary mode brings back what was sent', () => {
    fc.assert(fc.property(anEvent(text), (event) => {
      expect(plain(parseRequest(received(encodeEvent(event, 'binary'))).events[0])).toEqual(plain(event));
    }));
  });

  test('headers are printable ASCII', () => {
    fc.assert(fc.property(anEvent(text), (event) => {
      for (const [key, value] of Object.entries(encodeEvent(event, 'binary').headers)) if (key.startsWith('ce-')) expect(value).toMatch(/^[\x21-\x7e]+$/);
    }));
  });

  test('the npm SDK reads the same from structured mode, but for what it is known to lose', () => {
    const kept = anEvent(text).filter(({ data, datacontenttype, extensions }) =>
      data?.kind === 'json' && Boolean(data.value) && datacontenttype !== undefined && ![...extensions.keys()].some((key) => ['validate', 'emit', 'constructor', 'tostring'].includes(key)));
    fc.assert(fc.property(kept, (event) => {
      const { headers, body } = encodeEvent(event, 'structured');
      const theirs = HTTP.toEvent({ headers: { ...headers }, body: Buffer.from(body ?? '').toString() });
      expect(theirs).toMatchObject({ id: event.id, source: event.source, type: event.type, data: event.data?.kind === 'json' ? event.data.value : null, ...Object.fromEntries(event.extensions) });
    }), { numRuns: 50 });
  });
});

describe('whatever the bytes', () => {
  const header = fc.tuple(fc.constantFrom('ce-id', 'ce-source', 'ce-type', 'ce-specversion', 'ce-time', 'ce-x', 'content-type', 'CE-ID', 'ce-'), fc.oneof(fc.constantFrom('1.0', 'application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json'), fc.string({ unit: 'binary' })));

  test('an event or a typed refusal comes out', () => {
    fc.assert(fc.property(fc.array(header), fc.oneof(fc.uint8Array(), fc.json().map((json) => Buffer.from(json))), (headers, body) => {
      try {
        parseRequest({ ...rawRequest({}, body), rawHeaders: headers.flat() });
      } catch (error) {
        expect(error).toBeInstanceOf(CloudEventError);
      }
    }), { numRuns: 500 });
  });

  test('of a batch each element is an event or a typed refusal, and what is good stays good beside whatever', () => {
    const good = { specversion: '1.0', id: 'good', source: '/s', type: 't' };
    fc.assert(fc.property(fc.array(fc.oneof(fc.jsonValue(), fc.constant(good))), (elements) => {
      const body = Buffer.from(JSON.stringify(elements));
      const { events, refused } = parseRequest({ ...rawRequest({ 'content-type': 'application/cloudevents-batch+json' }), body });
      expect(events.length + refused.length).toBe(elements.length);
      expect(events.filter(({ id }) => id === 'good')).toHaveLength(elements.filter((element) => element === good).length);
    }));
  });
});
