/** Our Event Grid sinks beside the official SDKs: the same event, to the same server, in the same request. */
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid';
import { AzureKeyCredential as NamespaceKey, EventGridSenderClient } from '@azure/eventgrid-namespaces';
import { afterEach, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { createSinks } from '../../../src/events/sinks.ts';
import { startScriptedServer } from '../../support/scripted-server.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { Delivery } from '../../../src/events/sink.ts';
import type { Answer, Received, ScriptedServer } from '../../support/scripted-server.ts';

const KEY = 'c2VjcmV0LWtleQ==';
const TRACE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

const event: CloudEvent = {
  id: '9b4d1f80-0000-5000-8000-000000000001', source: '/ccm/lablet-controller/labletsessions/7d1f', type: 'ccm.lablet.session.graded', subject: 'exams/cand-0042', time: '2026-11-23T10:01:12.345Z',
  datacontenttype: 'application/json', dataschema: 'https://lablet.dev/schemas/ccm.lablet.session.graded/v1.json',
  extensions: new Map([['sequence', '0000000007'], ['partitionkey', '7d1f'], ['traceparent', TRACE]]),
  data: { kind: 'json', value: { session_id: '7d1f', score: 83.5, passed: true } },
};
/** The same in the words of the SDKs, which do not write all names alike. */
const { id, source, type, subject = '', dataschema = '' } = event;
const sdkEvent = { id, source, type, subject, time: new Date('2026-11-23T10:01:12.345Z'), data: { session_id: '7d1f', score: 83.5, passed: true } };
const attributes = { sequence: '0000000007', partitionkey: '7d1f', traceparent: TRACE };

let server: ScriptedServer;
afterEach(() => server.close());

async function ours(scheme: string, path: string): Promise<Delivery> {
  const [sink] = createSinks({ urls: `${scheme}+${server.url}${path}`, eventGridKey: `${KEY}\n` });
  if (!sink) throw new Error('no sink');
  try {
    return await sink.send(event, new AbortController().signal);
  } finally {
    await sink.close();
  }
}

/** What the service reads of a request, and nothing of who made it. */
const wire = ({ method, url, contentType, authorization, headers, body }: Received): object =>
  ({ method, url, contentType, authorization, key: headers['aeg-sas-key'], body: JSON.parse(body) as unknown });

const bodyOf = (request: object | undefined): object => z.object({ body: z.looseObject({ specversion: z.literal('1.0') }) }).parse(request).body;

const topicAnswer: Answer = (response) => void response.writeHead(200, { 'content-length': '0' }).end();
const namespaceAnswer: Answer = (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');

describe('a custom topic', () => {
  test('cannot tell our request from that of its SDK', async () => {
    server = await startScriptedServer([topicAnswer]);
    const sdk = new EventGridPublisherClient(`${server.url}/api/events`, 'CloudEvent', new AzureKeyCredential(KEY), { allowInsecureConnection: true });
    await sdk.send([{ ...sdkEvent, dataschema, datacontenttype: 'application/json', extensionAttributes: attributes }]);
    expect(await ours('eventgrid', '/api/events')).toEqual({ outcome: 'accepted' });
    const [theirs, own] = server.received.map(wire);
    expect(own).toEqual(theirs);
    expect(own).toMatchObject({ method: 'POST', url: '/api/events?api-version=2018-01-01', contentType: 'application/cloudevents-batch+json; charset=utf-8', key: KEY, body: [{ specversion: '1.0' }] });
  });

  test('is found without its path, and keeps the version of the API that is asked for', async () => {
    server = await startScriptedServer([topicAnswer]);
    await ours('eventgrid', '/?api-version=2024-01-01');
    expect(server.received[0]?.url).toBe('/api/events?api-version=2024-01-01');
  });

  test.each([[413, 'refused'], [401, 'refused'], [400, 'refused'], [429, 'retry'], [503, 'retry']])('that answers %d: the event is %s', async (status, outcome) => {
    server = await startScriptedServer([(response) => void response.writeHead(status, { 'content-type': 'application/json' }).end('{"error":{"code":"X"}}')]);
    expect(await ours('eventgrid', '/api/events')).toMatchObject({ outcome });
  });
});

describe('a topic of a namespace', () => {
  test.each(['/topics/exams', '/topics/exams:publish'])('cannot tell our request to %s from that of its SDK', async (path) => {
    server = await startScriptedServer([namespaceAnswer]);
    const sdk = new EventGridSenderClient(server.url, new NamespaceKey(KEY), 'exams', { allowInsecureConnection: true });
    await sdk.sendEvents({ ...sdkEvent, dataSchema: dataschema, dataContentType: 'application/json', extensionAttributes: attributes });
    expect(await ours('eventgridns', path)).toEqual({ outcome: 'accepted' });
    const [theirs, own] = server.received.map(wire);
    // The SDK loses extension attributes on the way; the service takes them.
    expect(own).toEqual({ ...theirs, body: { ...bodyOf(theirs), ...attributes } });
    expect(own).toMatchObject({ method: 'POST', url: expect.stringMatching(/^\/topics\/exams:publish\?api-version=/), contentType: 'application/cloudevents+json; charset=utf-8', authorization: `SharedAccessKey ${KEY}` });
  });
});
