/** Answers of EventBridge that moto does not give, from a local server in its protocol; the SDK is the real one. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EventBridgeSink } from '../../../src/events/sink-eventbridge.ts';
import { startScriptedServer } from '../../support/scripted-server.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { Delivery } from '../../../src/events/sink.ts';
import type { Answer, ScriptedServer } from '../../support/scripted-server.ts';

const event: CloudEvent = {
  id: '1', source: '/ccm', type: 'ccm.lablet.session.stopping', time: '2026-11-23T10:01:12.345Z', datacontenttype: 'application/json',
  extensions: new Map([['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']]), data: { kind: 'json', value: { session_id: 'x' } },
};

const before = { ...process.env };
let server: ScriptedServer | undefined;
beforeEach(() => {
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIAEXAMPLE';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'wJalrXUtnFEMI-EXAMPLE';
});
afterEach(async () => {
  process.env = { ...before };
  await server?.close();
  server = undefined;
});

const json = (status: number, body: object): Answer => (response) => void response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
const exception = (status: number, name: string): Answer => json(status, { __type: name, message: `${name} it is` });
const entry = (ErrorCode: string): Answer => json(200, { FailedEntryCount: 1, Entries: [{ ErrorCode, ErrorMessage: 'so it is' }] });

async function send(answers: [Answer, ...Answer[]], { signal = new AbortController().signal, timeoutMs = 5000 } = {}): Promise<Delivery> {
  server = await startScriptedServer(answers);
  const sink = new EventBridgeSink({ url: new URL('eventbridge://eu-west-1/exams'), endpoint: server.url, timeoutMs });
  try {
    return await sink.send(event, signal);
  } finally {
    await sink.close();
  }
}

describe('an entry on an event bus', () => {
  test('holds the whole CloudEvent, with its trace in the words of X-Ray', async () => {
    expect(await send([json(200, { FailedEntryCount: 0, Entries: [{ EventId: 'e-1' }] })])).toEqual({ outcome: 'accepted' });
    const { Entries: [sent] } = JSON.parse(server?.received[0]?.body ?? '') as { Entries: [Record<string, unknown>] };
    expect(sent).toMatchObject({ EventBusName: 'exams', Source: 'dev.lablet.controller', DetailType: 'ccm.lablet.session.stopping', TraceHeader: 'Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1' });
    expect(JSON.parse(String(sent['Detail']))).toMatchObject({ specversion: '1.0', id: '1', source: '/ccm', type: 'ccm.lablet.session.stopping', data: { session_id: 'x' } });
    expect(Math.floor(Number(sent['Time']))).toBe(Math.floor(Date.parse('2026-11-23T10:01:12.345Z') / 1000));
  });

  test.each(['InternalFailure', 'ThrottlingException'])('that failed with %s in an answer of 200 is to be repeated, by the outlet and not by the SDK', async (code) => {
    expect(await send([entry(code)])).toMatchObject({ outcome: 'retry', reason: `${code}: so it is` });
    expect(server?.received).toHaveLength(1);
  });

  test.each(['AccessDeniedException', 'InvalidArgument', 'MalformedDetail', 'NotAuthorizedForSourceException', 'SomethingNew'])('that failed with %s in an answer of 200 is refused', async (code) => {
    expect(await send([entry(code)])).toEqual({ outcome: 'refused', reason: `${code}: so it is` });
  });

  test('of which the answer says neither that it was taken nor that it was not is to be repeated', async () => {
    for (const body of [{}, { FailedEntryCount: 0, Entries: [] }, { FailedEntryCount: 0, Entries: [{}] }]) {
      expect(await send([json(200, body)])).toMatchObject({ outcome: 'retry' });
      await server?.close();
    }
  });
});

describe('a request to EventBridge', () => {
  test.each<[number, string]>([[500, 'InternalException'], [503, 'ServiceUnavailable'], [400, 'ThrottlingException'], [429, 'TooManyRequests'], [400, 'ExpiredTokenException']])(
    'answered %d %s is to be repeated, and was tried once', async (status, name) => {
      expect(await send([exception(status, name)])).toMatchObject({ outcome: 'retry', reason: expect.stringContaining(name) });
      expect(server?.received).toHaveLength(1);
    });

  test.each<[number, string]>([[400, 'AccessDeniedException'], [400, 'ValidationException'], [400, 'ResourceNotFoundException'], [413, 'RequestEntityTooLargeException']])('answered %d %s is refused', async (status, name) => {
    expect(await send([exception(status, name)])).toMatchObject({ outcome: 'refused', code: status, reason: expect.stringContaining(name) });
  });

  test('that nobody answers has an unknown outcome', async () => {
    const silence: Answer = () => undefined;
    expect(await send([silence], { timeoutMs: 300 })).toEqual({ outcome: 'retry', reason: 'no answer within 300 ms', blamesSink: true });
  });

  test('is broken off with the term', async () => {
    const term = new AbortController();
    const delivery = send([() => term.abort()], { signal: term.signal });
    expect(await delivery).toEqual({ outcome: 'retry', reason: 'broken off', blamesSink: false });
  });

  test('that meets nobody is to be repeated', async () => {
    const sink = new EventBridgeSink({ url: new URL('eventbridge://eu-west-1/exams'), endpoint: 'http://127.0.0.1:9' });
    expect(await sink.send(event, new AbortController().signal)).toMatchObject({ outcome: 'retry', blamesSink: true });
    await sink.close();
  });
});
