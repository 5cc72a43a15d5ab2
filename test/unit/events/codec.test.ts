import { describe, expect, test } from '@jest/globals';
import { CloudEventError } from '../../../src/events/cloudevent.ts';
import { encodeEvent, parseRequest } from '../../../src/events/codec.ts';
import { minimal, minimalJson, parse, parseOne, received, STRUCTURED } from '../../support/events/requests.ts';

const structured = (members: object, contentType: string = STRUCTURED['content-type']) => parseOne({ 'content-type': contentType }, JSON.stringify({ ...minimalJson, ...members }));

/** Status and message of the refusal. */
function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof CloudEventError) return `${error.status} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('the examples of the specification', () => {
  const xml = '<much wow="xml"/>';
  const common = { specversion: '1.0', type: 'com.github.pull_request.opened', source: 'https://github.com/cloudevents/spec/pull', subject: '123', id: 'A234-1234-1234', time: '2018-04-05T17:31:00Z', comexampleextension1: 'value', comexampleothervalue: 5 };
  const read = { id: 'A234-1234-1234', source: 'https://github.com/cloudevents/spec/pull', type: 'com.github.pull_request.opened', subject: '123', time: '2018-04-05T17:31:00Z' };

  test('text data in structured mode', () => {
    const event = parseOne(STRUCTURED, JSON.stringify({ ...common, datacontenttype: 'text/xml', data: xml }));
    expect(event).toMatchObject(read);
    expect(event.extensions).toEqual(new Map<string, unknown>([['comexampleextension1', 'value'], ['comexampleothervalue', 5]]));
    expect(event.data).toEqual({ kind: 'bytes', bytes: new Uint8Array(Buffer.from(xml)) });
  });

  test('binary data in structured mode', () => {
    const event = parseOne(STRUCTURED, JSON.stringify({ ...common, unsetextension: null, datacontenttype: 'application/vnd.apache.thrift.binary', data_base64: Buffer.from([0, 255, 1]).toString('base64') }));
    expect(event.data).toEqual({ kind: 'bytes', bytes: Uint8Array.of(0, 255, 1) });
    expect(event.extensions.has('unsetextension')).toBe(false);
  });

  test('JSON data in structured mode, as an object and as a number', () => {
    expect(parseOne(STRUCTURED, JSON.stringify({ ...common, datacontenttype: 'application/json', data: { appinfoA: 'abc', appinfoB: 123, appinfoC: true } })).data)
      .toEqual({ kind: 'json', value: { appinfoA: 'abc', appinfoB: 123, appinfoC: true } });
    expect(parseOne(STRUCTURED, JSON.stringify({ ...common, datacontenttype: 'application/json', data: 1.5 })).data).toEqual({ kind: 'json', value: 1.5 });
  });

  test('HTTP binary mode', () => {
    const event = parseOne(
      { 'ce-specversion': '1.0', 'ce-type': 'com.example.someevent', 'ce-time': '2018-04-05T03:56:24Z', 'ce-id': '1234-1234-1234', 'ce-source': '/mycontext/subcontext', 'Content-Type': 'application/json; charset=utf-8' },
      '{"a":1}',
    );
    expect(event).toMatchObject({ id: '1234-1234-1234', source: '/mycontext/subcontext', type: 'com.example.someevent', time: '2018-04-05T03:56:24Z', data: { kind: 'json', value: { a: 1 } } });
  });

  test('HTTP structured mode, whose content type has a charset', () => {
    expect(structured({ data: {} }, 'application/cloudevents+json; charset=UTF-8')).toMatchObject({ id: 'A234-1234' });
  });

  test('HTTP batch mode, and an empty batch', () => {
    const headers = { 'content-type': 'application/cloudevents-batch+json; charset=UTF-8' };
    const { mode, events } = parse(headers, JSON.stringify([{ ...common, data: xml, datacontenttype: 'text/xml' }, { ...common, id: 'B234' }]));
    expect([mode, ...events.map((event) => event.id)]).toEqual(['batch', 'A234-1234-1234', 'B234']);
    expect(parse(headers, '[]').events).toEqual([]);
  });

  test('a header value that is percent-encoded', () => {
    expect(parseOne({ ...minimal, 'ce-subject': 'Euro%20%E2%82%AC%20%F0%9F%98%80' }).subject).toBe('Euro € 😀');
  });
});

describe('what is read strictly', () => {
  test.each([
    ['type', { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s' }],
    ['source', { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-type': 't' }],
    ['id', { 'ce-specversion': '1.0', 'ce-source': '/s', 'ce-type': 't' }],
    ['specversion', { 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' }],
  ])('a missing %s is refused, never invented', (name, headers) => {
    expect(refusal(() => parse(headers))).toMatch(new RegExp(`^400 .*${name} is missing`));
  });

  test('a missing id is refused in structured mode too, so that de-duplication means something', () => {
    expect(refusal(() => structured({ id: null }))).toBe('400 attribute id is missing');
  });

  test('no time stays no time, garbage is refused, nanoseconds are kept', () => {
    expect(structured({}).time).toBeUndefined();
    for (const time of ['yesterday', '2026-01-02', '2026-01-02T03:04:05', '2026-13-02T03:04:05Z', '2026-02-30T03:04:05Z', '2026-01-02T25:04:05Z', '2026-01-02T03:04:05+24:00']) {
      expect(refusal(() => structured({ time }))).toMatch(/^400 attribute time .* is not an RFC 3339 time with a zone$/);
    }
    expect(parseOne({ ...minimal, 'ce-time': '2026-01-02T03:04:05.123456789Z' }).time).toBe('2026-01-02T03:04:05.123456789Z');
    expect(structured({ time: '2026-01-02T03:04:05.5+02:00' }).time).toBe('2026-01-02T03:04:05.5+02:00');
  });

  test('another specversion is refused', () => {
    expect(refusal(() => structured({ specversion: '99' }))).toMatch(/^400 specversion '99' is not supported/);
    expect(refusal(() => structured({ specversion: 1 }))).toMatch(/^400/);
  });

  test.each(['application/cloudevents+json;charset=utf-8', 'application/cloudevents+json; charset="UTF-8"', 'Application/CloudEvents+JSON', 'application/cloudevents+json ; charset=utf-8; x=y'])(
    '%s is structured mode', (contentType) => {
      expect(structured({ data: 1 }, contentType).data).toEqual({ kind: 'json', value: 1 });
    });

  test.each(['application/json; charset=UTF-8', 'application/problem+json', 'text/json', 'APPLICATION/JSON'])('data of type %s is JSON in binary mode', (contentType) => {
    expect(parseOne({ ...minimal, 'content-type': contentType }, '{"a":1}').data).toEqual({ kind: 'json', value: { a: 1 } });
  });

  test.each([['42', 42], ['true', true], ['null', null], ['"text"', 'text'], ['  {"a":1}\n', { a: 1 }]])('a JSON body %s is that value', (body, value) => {
    expect(parseOne({ ...minimal, 'content-type': 'application/json' }, body).data).toEqual({ kind: 'json', value });
  });

  test.each(['bare', '{"a":', "{'a':1}", '{"a":1}x'])('a body %s that is no JSON is refused with a typed error', (body) => {
    expect(refusal(() => parse({ ...minimal, 'content-type': 'application/json' }, body))).toBe('400 data is not valid JSON');
    expect(refusal(() => parse(STRUCTURED, body))).toBe('400 the body is not valid JSON');
  });

  test.each([[false], [0], [''], [null]])('structured data %j is data', (value) => {
    expect(structured({ data: value }).data).toEqual({ kind: 'json', value });
  });

  test('base64 data are the bytes, and what is no base64 is refused', () => {
    expect(structured({ datacontenttype: 'image/png', data_base64: 'AAEC' }).data).toEqual({ kind: 'bytes', bytes: Uint8Array.of(0, 1, 2) });
    expect(structured({ datacontenttype: 'application/json', data_base64: Buffer.from('{"a":1}').toString('base64') }).data).toEqual({ kind: 'json', value: { a: 1 } });
    for (const data_base64 of ['AAE', 'A*EC', 7, 'AA=C']) expect(refusal(() => structured({ data_base64 }))).toBe('400 data_base64 is not valid base64');
    expect(refusal(() => structured({ data: 1, data_base64: 'AAEC' }))).toBe('400 data and data_base64 exclude each other');
  });

  test('a batch is a list whose elements are judged one by one', () => {
    const headers = { 'content-type': 'application/cloudevents-batch+json' };
    const { events, refused } = parse(headers, JSON.stringify([minimalJson, { ...minimalJson, type: null }, 7, { ...minimalJson, id: 'B' }]));
    expect(events.map(({ id }) => id)).toEqual(['A234-1234', 'B']);
    expect(refused.map(({ status, message }) => `${status} ${message}`)).toEqual(['400 event 1 of the batch: attribute type is missing', '400 event 2 of the batch: an event must be a JSON object']);
    expect(refusal(() => parse(headers, '{}'))).toBe('400 a batch must be a JSON array');
    expect(refusal(() => parse(headers, JSON.stringify(Array(1001).fill(minimalJson))))).toBe('413 a batch holds at most 1000 events');
  });

  test('header names have no case, and ce-datacontenttype is refused', () => {
    expect(parseOne({ 'CE-SpecVersion': '1.0', 'Ce-Id': '1', 'cE-source': '/s', 'CE-TYPE': 't', 'Ce-Foo': 'bar' }).extensions.get('foo')).toBe('bar');
    expect(refusal(() => parse({ ...minimal, 'ce-datacontenttype': 'application/json' }))).toMatch(/^400 header ce-datacontenttype is not allowed/);
  });

  test('an attribute is no object and no list, and is given once', () => {
    expect(refusal(() => structured({ ext: { a: 1 } }))).toMatch(/^400 attribute "ext" must be a string/);
    expect(refusal(() => structured({ ext: ['a'] }))).toMatch(/^400/);
    expect(refusal(() => parseRequest({ rawHeaders: [...Object.entries(minimal).flat(), 'Ce-Id', '2'], body: Buffer.alloc(0) }))).toBe('400 header ce-id is given twice');
  });

  test('an event without data is sent without a body and without a content type', () => {
    const encoded = encodeEvent(structured({}), 'binary');
    expect(encoded.body).toBeUndefined();
    expect(encoded.headers).not.toHaveProperty('content-type');
  });

  test('a JSON string is sent with its quotes, bytes keep their type', () => {
    expect(encodeEvent(structured({ datacontenttype: 'application/json', data: 'text' }), 'binary').body?.toString()).toBe('"text"');
    expect(encodeEvent(structured({ datacontenttype: 'image/png', data_base64: 'AAEC' }), 'binary').headers['content-type']).toBe('image/png');
  });

  test.each(['validate', 'emit', 'constructor', 'tostring', 'hasownproperty'])('an extension may be called %s and changes nothing else', (name) => {
    const event = structured({ [name]: 'x' });
    expect(event.extensions.get(name)).toBe('x');
    expect(parseRequest(received(encodeEvent(event, 'binary'))).events[0]).toEqual(event);
  });

  test('__proto__ is refused as a name, and as data it is data', () => {
    expect(refusal(() => parse(STRUCTURED, `{"specversion":"1.0","id":"1","source":"/s","type":"t","__proto__":"x"}`))).toMatch(/^400 attribute name/);
    expect(refusal(() => parse({ ...minimal, 'ce-__proto__': 'x' }))).toMatch(/^400 attribute name/);
    const event = parseOne(STRUCTURED, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"__proto__":{"admin":true}}}`);
    expect(event.data).toMatchObject({ kind: 'json' });
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

describe('header values, whoever encoded them', () => {
  const subject = 'Euro € "q" 100%';
  const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

  test.each([
    ['raw UTF-8, as Knative passes it on', latin1(subject), subject],
    ['percent-encoded, as the binding says', 'Euro%20%E2%82%AC%20%22q%22%20100%25', subject],
    ['a lone percent sign', '100% sure', '100% sure'],
    ['a quoted string', '"Euro \\"q\\""', 'Euro "q"'],
    ['quotes that are not around all of it', '"a" or "b"', '"a" or "b"'],
    ['one round of decoding only', '%2520', '%20'],
    ['raw UTF-8 beside percent-encoding', latin1('€%20a'), '€ a'],
  ])('%s', (_, raw, value) => {
    expect(parseOne({ ...minimal, 'ce-subject': raw }).subject).toBe(value);
  });

  test('are encoded for every reader, and only where needed', () => {
    const { headers } = encodeEvent(structured({ subject, ext: 'a-b_c.d~e/f:1' }), 'binary');
    expect(headers['ce-subject']).toBe('Euro%20%E2%82%AC%20%22q%22%20100%25');
    expect(headers['ce-ext']).toBe('a-b_c.d~e/f:1');
  });

  test('that are not UTF-8 are refused, raw or encoded', () => {
    expect(refusal(() => parse({ ...minimal, 'ce-subject': '\u00ff\u00fe' }))).toBe('400 header ce-subject is not valid UTF-8');
    expect(refusal(() => parse({ ...minimal, 'ce-subject': '%FF' }))).toBe('400 header ce-subject is not valid UTF-8');
  });

  test('cannot smuggle control characters in', () => {
    expect(refusal(() => parse({ ...minimal, 'ce-subject': 'a%0D%0Ab' }))).toMatch(/^400 attribute subject holds a control character/);
    expect(refusal(() => structured({ subject: 'a\u0000' }))).toMatch(/^400/);
    expect(refusal(() => structured({ subject: '\ud800' }))).toMatch(/^400/);
  });

  test('of a source that has escapes of its own stay a URI', () => {
    expect(parseOne({ ...minimal, 'ce-source': '/a%20b' }).source).toBe('/a%20b');
    expect(refusal(() => structured({ source: '/a b' }))).toMatch(/is not a URI-reference$/);
  });
});

describe('requests as Knative delivers them', () => {
  test('a body without a content type is JSON if it can be read so', () => {
    expect(parseOne(minimal, '{"a":1}').data).toEqual({ kind: 'json', value: { a: 1 } });
    expect(parseOne(minimal, 'plain').data).toEqual({ kind: 'bytes', bytes: Buffer.from('plain') });
  });

  test('an empty body is no data, whatever the content type', () => {
    expect(parseOne({ ...minimal, 'content-type': 'application/json' }).data).toBeUndefined();
  });
});

describe('what is no CloudEvent', () => {
  test.each([
    ['a plain JSON post', { 'content-type': 'application/json' }, '{}', /^400 not a CloudEvent/],
    ['an unknown format', { 'content-type': 'application/cloudevents+xml' }, '<a/>', /^415 application\/cloudevents\+xml is not supported/],
    ['another charset, structured', { 'content-type': 'application/cloudevents+json; charset=utf-16' }, '{}', /^415 charset utf-16/],
    ['another charset, binary', { ...minimal, 'content-type': 'application/json; charset=iso-8859-1' }, '{}', /^415 charset iso-8859-1/],
    ['a list as an event', STRUCTURED, '[]', /^400 an event must be a JSON object/],
    ['a body that is not UTF-8', STRUCTURED, Buffer.from([0x7b, 0xff, 0x7d]), /^400 the body is not valid UTF-8/],
    ['an upper-case name', STRUCTURED, JSON.stringify({ ...minimalJson, Foo: '1' }), /^400 attribute name 'Foo'/],
    ['data as an attribute', { ...minimal, 'ce-data': 'x' }, '', /^400 'data' is not a name/],
    ['a number that is no 32-bit integer', STRUCTURED, JSON.stringify({ ...minimalJson, n: 1.5 }), /^400 attribute n/],
    ['an empty attribute', { ...minimal, 'ce-subject': '' }, '', /^400 attribute subject is empty/],
    ['an object where text is declared', STRUCTURED, JSON.stringify({ ...minimalJson, datacontenttype: 'text/xml', data: {} }), /^400 data must be a string/],
    ['a relative dataschema', STRUCTURED, JSON.stringify({ ...minimalJson, dataschema: '/s' }), /^400 .* is not an absolute URI/],
    ['a content type that is none', { ...minimal, 'content-type': 'json' }, '{}', /^400 .* is not a media type/],
  ] as const)('%s is refused with what to do', (_, headers, body, message) => {
    expect(refusal(() => parse(headers, body))).toMatch(message);
  });

  test('data are bounded: depth, number and length of attributes', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(refusal(() => parse({ ...minimal, 'content-type': 'application/json' }, deep))).toBe('400 data is nested deeper than 64 levels');
    expect(structured({ data: '['.repeat(200) }).data).toBeDefined();
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`x${i}`, 'v']));
    expect(refusal(() => structured(many))).toMatch(/^400 more than 64 extension attributes/);
    expect(refusal(() => structured({ subject: 'x'.repeat(8193) }))).toMatch(/^400 attribute subject is longer/);
  });
});
