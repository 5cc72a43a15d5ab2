import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { TooLargeError } from '../../../src/clients/bounded.ts';
import type { CallReport } from '../../../src/clients/call.ts';
import { ExternalError } from '../../../src/clients/errors.ts';
import { S3, parseS3Uri } from '../../../src/clients/s3.ts';
import type { S3Options } from '../../../src/clients/s3.ts';
import { silence, startScriptedServer, status, truncated } from '../../support/scripted-server.ts';
import type { Answer, ScriptedServer } from '../../support/scripted-server.ts';

const at = { bucket: 'exam-labs', key: 'edge/lab.yaml' };
const never = { signal: new AbortController().signal };
const environment = { ...process.env };
beforeAll(() => {
  const nowhere = join(mkdtempSync(join(tmpdir(), 'aws-')), 'none');
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'key-1', AWS_SECRET_ACCESS_KEY: 'secret-1', AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: nowhere, AWS_SHARED_CREDENTIALS_FILE: nowhere });
});
afterAll(() => {
  process.env = environment;
});

const toClose: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(toClose.splice(0).map((close) => close()));
});

async function given(answers: readonly [Answer, ...Answer[]], options: S3Options = {}): Promise<{ server: ScriptedServer; s3: S3 }> {
  const server = await startScriptedServer(answers);
  const s3 = new S3({ endpoint: server.url, ...options });
  toClose.push(() => server.close(), () => s3.close());
  return { server, s3 };
}

const refusal = (code: number, name: string, message: string): Answer => (response) => {
  response.writeHead(code, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?><Error><Code>${name}</Code><Message>${message}</Message></Error>`);
};
const object = (bytes: string, headers: Record<string, string> = {}): Answer => (response) => {
  response.writeHead(200, headers).end(bytes);
};

async function failureOf(call: Promise<unknown>): Promise<ExternalError> {
  const error: unknown = await call.then(() => 'it succeeded', (caught: unknown) => caught);
  if (!(error instanceof ExternalError)) throw new Error(`expected an ExternalError, got ${String(error)}`);
  return error;
}

describe('a server of S3 that fails', () => {
  test('once is asked again', async () => {
    const { server, s3 } = await given([status(503), object('lab')]);
    expect(await s3.get(at, { ...never, maxBytes: 10 })).toEqual({ bytes: Buffer.from('lab') });
    expect(server.received.map(({ url }) => url.split('?')[0])).toEqual(['/exam-labs/edge/lab.yaml', '/exam-labs/edge/lab.yaml']);
  });

  test('each time is left after three tries, and the error names the object', async () => {
    const { server, s3 } = await given([status(503)]);
    const error = await failureOf(s3.put(at, Buffer.from('x'), never));
    expect(error).toMatchObject({ system: 's3', kind: 'unavailable', status: 503, call: 'PutObject', retryable: true });
    expect(error.message).toContain('s3://exam-labs/edge/lab.yaml');
    expect(server.received).toHaveLength(3);
  });

  test.each([
    [403, 'AccessDenied', 'unauthorized', false],
    [404, 'NoSuchBucket', 'notFound', false],
    [404, 'NoSuchKey', 'notFound', false],
    [400, 'InvalidRequest', 'badRequest', false],
    [400, 'XAmzContentSHA256Mismatch', 'badRequest', false],
  ])('with %i %s is told in its own words and is not asked again', async (code, name, kind, retryable) => {
    const { server, s3 } = await given([refusal(code, name, 'Not for you')]);
    const error = await failureOf(s3.get(at, { ...never, maxBytes: 10 }));
    expect(error).toMatchObject({ kind, status: code, retryable });
    expect(error.message).toContain(`GetObject: ${code} ${name} (s3://exam-labs/edge/lab.yaml) Not for you`);
    expect(server.received).toHaveLength(1);
  });

  test('to answer in time is worth another try', async () => {
    const { s3 } = await given([silence], { timeoutMs: 200 });
    expect(await failureOf(s3.put(at, Buffer.from('x'), never))).toMatchObject({ kind: 'timeout', retryable: true, description: 'no answer within 0.2 s (s3://exam-labs/edge/lab.yaml)' });
  });

  test('in the middle of an object gives no half of it', async () => {
    const { s3 } = await given([truncated], { attempts: 1 });
    expect(await failureOf(s3.get(at, { ...never, maxBytes: 10_000 }))).toMatchObject({ kind: 'unavailable', retryable: true });
  });

  test('to be there at all is worth another try', async () => {
    const { server, s3 } = await given([silence], { attempts: 1 });
    await server.close();
    expect(await failureOf(s3.get(at, { ...never, maxBytes: 10 }))).toMatchObject({ kind: 'unavailable', retryable: true, description: expect.stringContaining('s3://exam-labs/edge/lab.yaml') as unknown });
  });
});

test('an object larger than asked for is left', async () => {
  const { s3 } = await given([object('x'.repeat(2_000_000))]);
  await expect(s3.get(at, { ...never, maxBytes: 1_000_000 })).rejects.toBeInstanceOf(TooLargeError);
});

test('whoever stops waiting gets his own reason back', async () => {
  const { s3 } = await given([silence]);
  const stop = new AbortController();
  const put = s3.put(at, Buffer.from('x'), { signal: stop.signal });
  const reason = new Error('the lease is lost');
  stop.abort(reason);
  await expect(put).rejects.toBe(reason);
});

test('a controller without credentials is told where they could come from, and none is in any error', async () => {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...rest } = process.env;
  process.env = rest;
  const { server, s3 } = await given([object('lab')]);
  const error = await failureOf(s3.get(at, { ...never, maxBytes: 10 }));
  Object.assign(process.env, { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY });
  expect(error).toMatchObject({ kind: 'unauthorized', description: expect.stringContaining('give the controller an IAM role, or AWS_ACCESS_KEY_ID') as unknown });
  expect(server.received).toHaveLength(0);
});

test('every call is counted with its outcome', async () => {
  const calls: CallReport[] = [];
  const { s3 } = await given([object('lab'), refusal(404, 'NoSuchKey', 'Gone')], { onCall: (call) => calls.push(call) });
  await s3.get(at, { ...never, maxBytes: 10 });
  await failureOf(s3.get(at, { ...never, maxBytes: 10 }));
  expect(calls.map(({ system, call, status: outcome }) => ({ system, call, outcome }))).toEqual([
    { system: 's3', call: 'GetObject', outcome: 200 },
    { system: 's3', call: 'GetObject', outcome: 404 },
  ]);
});

test.each([
  ['s3://exam-labs/a/b%20c.yaml', { bucket: 'exam-labs', key: 'a/b%20c.yaml' }],
  ['s3://exam-labs', { bucket: 'exam-labs', key: '' }],
  ['s3://exam-labs/', { bucket: 'exam-labs', key: '' }],
  ['s3://Exam/lab', undefined],
  ['s3:///lab', undefined],
  ['s3://a@b/lab', undefined],
  ['https://exam-labs/lab', undefined],
])('%s names %j', (uri, location) => {
  expect(parseS3Uri(uri)).toEqual(location);
});
