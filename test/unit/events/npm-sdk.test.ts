/** Why receiving has a codec of its own: what the `cloudevents` package makes of a request, and beside it what we make of it. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { HTTP, ValidationError } from 'cloudevents';
import type { CloudEventV1 } from 'cloudevents';
import { CloudEventError } from '../../../src/events/cloudevent.ts';
import { minimal, minimalJson, parse, parseOne, STRUCTURED } from '../../support/events/requests.ts';

const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

/** The one event that the package reads. */
function sdk(headers: Readonly<Record<string, string>>, body: unknown = ''): CloudEventV1<unknown> & { validate?: () => boolean } {
  const event = HTTP.toEvent<unknown>({ headers: { ...headers }, body });
  if (Array.isArray(event)) throw new Error('a batch');
  return event;
}

function ours(headers: Readonly<Record<string, string>>, body = ''): string {
  try {
    parse(headers, body);
    return 'accepted';
  } catch (error) {
    if (error instanceof CloudEventError) return `${error.status} ${error.message}`;
    throw error;
  }
}

const without = (name: string, headers: Readonly<Record<string, string>> = minimal): Record<string, string> => Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
const structured = (members: object): string => JSON.stringify({ ...minimalJson, ...members });

describe('attributes that are missing or wrong', () => {
  test('a missing type or source: the package hands out an event without, we refuse it', () => {
    for (const name of ['type', 'source'] as const) {
      expect(sdk(without(`ce-${name}`))[name]).toBeUndefined();
      expect(ours(without(`ce-${name}`))).toBe(`400 attribute ${name} is missing`);
    }
  });

  test('a missing specversion: the package writes 1.0, we refuse the event', () => {
    expect(sdk(without('ce-specversion')).specversion).toBe('1.0');
    expect(ours(without('ce-specversion'))).toBe('400 specversion is missing');
  });

  test('a missing id: the package invents another one at each delivery, so no duplicate is ever found; we refuse the event', () => {
    const body = structured({ id: undefined });
    expect(sdk(STRUCTURED, body).id).not.toBe(sdk(STRUCTURED, body).id);
    expect(ours(STRUCTURED, body)).toBe('400 attribute id is missing');
  });

  test('a time that is missing or no time: the package writes the present, we leave it out or refuse it', () => {
    for (const time of [undefined, 'yesterday']) expect(Math.abs(Date.parse(sdk(STRUCTURED, structured({ time })).time ?? '') - Date.now())).toBeLessThan(60_000);
    expect(parseOne(STRUCTURED, structured({})).time).toBeUndefined();
    expect(ours(STRUCTURED, structured({ time: 'yesterday' }))).toMatch(/^400 attribute time/);
  });

  test('nanoseconds: the package cuts them off, we keep what the sender wrote', () => {
    const time = '2026-01-02T03:04:05.123456789Z';
    expect(sdk(STRUCTURED, structured({ time })).time).toBe('2026-01-02T03:04:05.123Z');
    expect(parseOne(STRUCTURED, structured({ time })).time).toBe(time);
  });

  test('another specversion: the package accepts it, and its validation says no without an error; we refuse the event', () => {
    expect(sdk(STRUCTURED, structured({ specversion: '99' })).validate?.()).toBe(false);
    expect(ours(STRUCTURED, structured({ specversion: '99' }))).toMatch(/^400 specversion '99'/);
  });
});

describe('content types', () => {
  const json = structured({ data: { a: 1 } });

  test('structured mode with a charset, as in the specification itself: the package refuses it, we read it', () => {
    for (const contentType of ['application/cloudevents+json; charset=UTF-8', 'application/cloudevents+json;charset=utf-8']) {
      expect(() => sdk({ 'content-type': contentType }, json)).toThrow('invalid content type');
      expect(parseOne({ 'content-type': contentType }, json).data).toEqual({ kind: 'json', value: { a: 1 } });
    }
  });

  test('a media type in upper case: the package sees no event, we read it', () => {
    expect(() => sdk({ 'content-type': 'Application/CloudEvents+JSON' }, json)).toThrow('no cloud event detected');
    expect(parseOne({ 'content-type': 'Application/CloudEvents+JSON' }, json).id).toBe('A234-1234');
  });

  test('JSON in binary mode with a charset, or of a +json type: the package leaves it a text, we read it', () => {
    for (const contentType of ['application/json; charset=UTF-8', 'application/problem+json']) {
      expect(sdk({ ...minimal, 'content-type': contentType }, '{"a":1}').data).toBe('{"a":1}');
      expect(parseOne({ ...minimal, 'content-type': contentType }, '{"a":1}').data).toEqual({ kind: 'json', value: { a: 1 } });
    }
  });
});

describe('data', () => {
  const json = { ...minimal, 'content-type': 'application/json' };

  test('JSON that is a number, true or null: the package makes texts of them, we keep the values', () => {
    for (const [body, value] of [['42', 42], ['true', true], ['null', null]] as const) {
      expect(sdk(json, body).data).toBe(body);
      expect(parseOne(json, body).data).toEqual({ kind: 'json', value });
    }
  });

  test('JSON after white space: the package fails on it, we read it', () => {
    expect(() => sdk(json, ' {"a":1}')).toThrow('JSON');
    expect(parseOne(json, ' {"a":1}').data).toEqual({ kind: 'json', value: { a: 1 } });
  });

  test('what is no JSON: the package takes a bare word for a text, and lets a SyntaxError out of broken JSON; we refuse both', () => {
    expect(sdk(json, 'bare').data).toBe('bare');
    expect(() => sdk(json, '{"a":')).toThrow(SyntaxError);
    for (const body of ['bare', '{"a":']) expect(ours(json, body)).toBe('400 data is not valid JSON');
  });

  test("structured data false, 0, '' and null: the package loses them, we keep them", () => {
    for (const data of [false, 0, '', null]) {
      expect(sdk(STRUCTURED, structured({ data, datacontenttype: 'application/json' })).data).toBeUndefined();
      expect(parseOne(STRUCTURED, structured({ data, datacontenttype: 'application/json' })).data).toEqual({ kind: 'json', value: data });
    }
  });

  test('data_base64 of three bytes: the package makes twelve of them, we three', () => {
    const body = structured({ data_base64: 'AAEC', datacontenttype: 'image/png' });
    expect((sdk(STRUCTURED, body).data as Uint32Array).byteLength).toBe(12);
    expect(parseOne(STRUCTURED, body).data).toEqual({ kind: 'bytes', bytes: Uint8Array.of(0, 1, 2) });
  });
});

describe('bodies', () => {
  test('the bytes of a structured event: the package makes an extension of each byte and invents an id, we read the event', () => {
    const event = sdk(STRUCTURED, Buffer.from(structured({})));
    expect([event['0'], event.id === minimalJson.id, event.type]).toEqual(['{'.charCodeAt(0), false, undefined]);
    expect(parse(STRUCTURED, Buffer.from(structured({}))).events[0]?.id).toBe(minimalJson.id);
  });

  test('a batch with one bad event: the package loses all of it, we take the others and name the bad one', () => {
    const body = JSON.stringify([minimalJson, { ...minimalJson, type: null }]);
    expect(() => HTTP.toEvent({ headers: BATCH, body })).toThrow(ValidationError);
    const { events, refused } = parse(BATCH, body);
    expect([events.length, refused.map(({ message }) => message)]).toEqual([1, ['event 1 of the batch: attribute type is missing']]);
  });
});

describe('headers', () => {
  test('a percent-encoded attribute, as the specification has it: the package hands out the code, we the text', () => {
    const headers = { ...minimal, 'ce-subject': 'Euro%20%E2%82%AC' };
    expect(sdk(headers).subject).toBe('Euro%20%E2%82%AC');
    expect(parseOne(headers).subject).toBe('Euro €');
  });

  test('raw UTF-8, as Go sends it: the package hands out Latin-1, we the text', () => {
    const headers = { ...minimal, 'ce-subject': Buffer.from('€').toString('latin1') };
    expect(sdk(headers).subject).toBe('\u00e2\u0082\u00ac');
    expect(parseOne(headers).subject).toBe('€');
  });

  test('ce-datacontenttype, which must not be: the package takes it, we refuse it', () => {
    const headers = { ...minimal, 'ce-datacontenttype': 'text/xml' };
    expect(sdk(headers).datacontenttype).toBe('text/xml');
    expect(ours(headers)).toMatch(/^400 header ce-datacontenttype is not allowed/);
  });

  test('an attribute that is an object: the package finds it valid, we refuse it', () => {
    const body = structured({ ext: { a: 1 } });
    expect(sdk(STRUCTURED, body).validate?.()).toBe(true);
    expect(ours(STRUCTURED, body)).toMatch(/^400 attribute "ext" must be a string/);
  });

  test('a header in another case: the package loses the extension, we read it', () => {
    const headers = { ...minimal, 'Ce-Foo': 'bar' };
    expect(sdk(headers)['foo']).toBeUndefined();
    expect(parseOne(headers).extensions.get('foo')).toBe('bar');
  });
});

test('an extension of the legal name `validate`: it takes the place of a method of the package; with us it is an extension', () => {
  const event = sdk(STRUCTURED, structured({ validate: 'x' }));
  expect(event.validate).toBe('x');
  expect(parseOne(STRUCTURED, structured({ validate: 'x' })).extensions.get('validate')).toBe('x');
});

describe('CE_USE_BIG_INT in the environment', () => {
  const before = globalThis.JSON;
  afterEach(() => {
    delete process.env['CE_USE_BIG_INT'];
    globalThis.JSON = before;
  });

  test('the package puts another JSON in place of the global one for the whole program; we leave it', () => {
    process.env['CE_USE_BIG_INT'] = 'true';
    parseOne(STRUCTURED, structured({ data: 1 }));
    expect(globalThis.JSON).toBe(before);
    sdk({ ...minimal, 'content-type': 'application/json' }, '{"a":1}');
    expect(globalThis.JSON).not.toBe(before);
  });
});
