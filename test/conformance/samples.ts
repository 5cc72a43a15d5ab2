/** Events of every shape that the peers must agree with us about, in no SDK's own form. */
import type { CloudEvent } from '../../src/events/cloudevent.ts';

/** Of json, text and base64 at most one is given; none: no data. */
export interface Sample {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string | undefined;
  readonly time?: string | undefined;
  readonly datacontenttype?: string | undefined;
  readonly dataschema?: string | undefined;
  readonly extensions: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string | undefined;
  readonly base64?: string | undefined;
}

const timeless = { id: 'A234-1234-1234', source: '/lds/eu-1', type: 'com.example.measured', extensions: {} } as const;
const base = { ...timeless, time: '2026-11-23T10:00:00.5Z' } as const;
const json = { datacontenttype: 'application/json', json: { session_id: 'ada', score: 71.5, passed: true, sections: [{ name: 'OSPF' }], none: null } } as const;
const bytes = Buffer.from([0, 255, 254, 1, 10, 13, 128]).toString('base64');

export const SAMPLES: Readonly<Record<string, Sample>> = {
  'JSON data': { ...base, ...json },
  'JSON data with a charset': { ...base, ...json, datacontenttype: 'application/json; charset=utf-8' },
  'JSON data of a +json type': { ...base, ...json, datacontenttype: 'application/vnd.lablet+json' },
  'JSON data that no content type names': { ...base, json: json.json },
  'JSON data outside of ASCII': { ...base, datacontenttype: 'application/json', json: { name: 'Zoë 😀 €' } },
  'no data': base,
  'no time': { ...timeless, ...json },
  'text data': { ...base, datacontenttype: 'text/plain', text: 'a line\nand another one' },
  'text data in UTF-8': { ...base, datacontenttype: 'text/plain; charset=utf-8', text: 'Grüße, 😀' },
  'XML data': { ...base, datacontenttype: 'application/xml', text: '<score max="100">71</score>' },
  'binary data': { ...base, datacontenttype: 'application/octet-stream', base64: bytes },
  'every attribute': { ...base, ...json, subject: 'exams/ada', dataschema: 'https://schemas.example.org/score/1', extensions: { sequence: '0000000042', partitionkey: 'ada', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } },
  'attributes outside of ASCII': { ...base, ...json, subject: 'Euro €, Zoë 😀', extensions: { room: 'Übungsraum' } },
  'attributes with quotes and percent signs': { ...base, ...json, subject: 'a "q" 100% sure', extensions: { room: 'the "big" one' } },
  'an attribute that looks encoded': { ...base, ...json, subject: '100%25' },
};

/** Data as one of two kinds, whichever way they were given. */
export type Content = { json: unknown } | { bytes: string } | undefined;

/** A sample in the words of what both sides have received: time as an instant, data as value or bytes. */
export interface Description {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  readonly instant: number | undefined;
  readonly datacontenttype: string | undefined;
  readonly dataschema: string | undefined;
  readonly extensions: Readonly<Record<string, string>>;
  readonly content: Content;
}

export function describeSample(sample: Sample): Description {
  const { id, source, type, subject, time, datacontenttype, dataschema, extensions } = sample;
  return {
    id, source, type, subject: subject === '' ? undefined : subject, instant: time === undefined ? undefined : Date.parse(time),
    datacontenttype: datacontenttype === '' ? undefined : datacontenttype, dataschema: dataschema === '' ? undefined : dataschema, extensions, content: contentOf(sample),
  };
}

export function describeEvent(event: CloudEvent): Description {
  const { id, source, type, subject, time, datacontenttype, dataschema, extensions, data } = event;
  return {
    id, source, type, subject, instant: time === undefined ? undefined : Date.parse(time), datacontenttype, dataschema,
    extensions: Object.fromEntries([...extensions].map(([name, value]) => [name, String(value)])),
    content: data === undefined ? undefined : data.kind === 'json' ? { json: data.value } : { bytes: Buffer.from(data.bytes).toString('base64') },
  };
}

/** The sample as an event of ours, to be sent. */
export function eventOfSample(sample: Sample): CloudEvent {
  const { id, source, type, subject, time, datacontenttype, dataschema, extensions } = sample;
  const content = contentOf(sample);
  const data = content === undefined ? undefined : 'json' in content ? { kind: 'json' as const, value: content.json } : { kind: 'bytes' as const, bytes: Buffer.from(content.bytes, 'base64') };
  return { id, source, type, subject, time, datacontenttype, dataschema, extensions: new Map(Object.entries(extensions)), data };
}

/** A peer may hand out JSON as the bytes that it got: the content type says what they mean. */
function contentOf({ json: value, text, base64, datacontenttype }: Sample): Content {
  if (value !== undefined) return { json: value };
  if (text === undefined && base64 === undefined) return undefined;
  const found = base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64');
  const isJson = /^[^;]+[/+]json(;|$)/.test(datacontenttype === undefined || datacontenttype === '' ? 'application/json' : datacontenttype);
  return isJson ? { json: JSON.parse(found.toString('utf8')) as unknown } : { bytes: found.toString('base64') };
}
