/**
 * Azure Event Grid as a sender, as its documentation describes the wire: the validation handshake of a webhook, then
 * each event in structured mode, or several as a batch where the subscription asks for batches.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { secretAuth } from '../../../src/events/ingest-auth.ts';
import { startIngestServer } from '../../../src/events/ingest-server.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { IngestServer } from '../../../src/events/ingest-server.ts';

const KEY = 'a-key-of-thirty-two-characters--';
const accepted: CloudEvent[] = [];
let server: IngestServer;
let endpoint: string;

beforeAll(async () => {
  const accept = async (event: CloudEvent) => {
    accepted.push(event);
    return { status: 202, result: 'applied' } as const;
  };
  server = await startIngestServer({
    ingest: { accept, refuse: ({ message, status }) => ({ status, result: 'invalid', message }) },
    authenticate: secretAuth(() => [KEY]), log: silentLog, isReady: () => true, port: 0, host: '127.0.0.1',
  });
  endpoint = `http://127.0.0.1:${server.port}/api/events`;
});
beforeEach(() => void accepted.splice(0));
afterAll(() => server.close(0));

const event = { specversion: '1.0', id: '831e1650-001e-001b-66ab-eeb76e069631', source: '/subscriptions/1/resourceGroups/lds', type: 'lds.session.started', time: '2026-11-23T15:14:39.4589254Z', subject: 'exams/ada', data: { session_id: 'ada' } };
const delivery = {
  'aeg-subscription-name': 'LABLET', 'aeg-delivery-count': '0', 'aeg-data-version': '', 'aeg-metadata-version': '0', 'aeg-event-type': 'Notification',
  'WebHook-Request-Origin': 'eventgrid.azure.net', 'content-type': 'application/cloudevents+json; charset=utf-8',
};
const deliver = (url: string, headers: object, body: unknown) => fetch(url, { method: 'POST', headers: { ...delivery, ...headers }, body: JSON.stringify(body) });

test('the subscription is validated before there is any secret to show', async () => {
  const response = await fetch(`${endpoint}?access_token=${KEY}`, { method: 'OPTIONS', headers: { 'WebHook-Request-Origin': 'eventgrid.azure.net', 'WebHook-Request-Rate': '120' } });
  expect([response.status, response.headers.get('WebHook-Allowed-Origin'), response.headers.get('WebHook-Allowed-Rate')]).toEqual([200, 'eventgrid.azure.net', '*']);
});

test.each([
  ['a delivery property of the subscription', '', { authorization: `Bearer ${KEY}` }],
  ['a query parameter of the endpoint', `?access_token=${KEY}`, {}],
])('an event is delivered with the secret in %s', async (_, query, headers) => {
  const response = await deliver(`${endpoint}${query}`, headers, event);
  expect([response.status, await response.text(), accepted]).toEqual([202, '', [expect.objectContaining({ id: event.id, time: event.time, data: { kind: 'json', value: event.data } })]]);
});

test('several are delivered as a batch', async () => {
  const response = await deliver(endpoint, { authorization: `Bearer ${KEY}`, 'content-type': 'application/cloudevents-batch+json; charset=utf-8' }, [event, { ...event, id: '2' }]);
  expect([response.status, accepted.map(({ id }) => id)]).toEqual([202, [event.id, '2']]);
});

test('with the wrong secret nothing is taken, and nothing is asked for again', async () => {
  const response = await deliver(`${endpoint}?access_token=${KEY}x`, {}, event);
  expect([response.status, response.headers.get('retry-after'), accepted]).toEqual([401, null, []]);
});
