/** Every client, from a process that finds nothing by itself: no name resolves here, and no authority is public. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { createAuthority } from '../../../hack/cluster/pki.ts';
import { createCmlSimulator } from '../../../hack/sim/cml/simulator.ts';
import { createGradingSimulator } from '../../../hack/sim/grading/simulator.ts';
import { createLdsSimulator } from '../../../hack/sim/lds/simulator.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { startScriptedServer } from '../../support/scripted-server.ts';
import type { ConnectProxy } from '../../support/connect-proxy.ts';

const HOSTS = ['cml', 'lds', 'grading', 'sink', 'files', 's3', 'ec2', 'eventbridge', 'elsewhere'].map((name) => `${name}.exam.test`);
const PROGRAM = resolve(import.meta.dirname, '../../support/outgoing-calls.ts');
const line = z.object({ what: z.string(), outcome: z.unknown() });
const XML = '<DescribeImagesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><imagesSet/></DescribeImagesResponse>';

const endings: (() => Promise<unknown>)[] = [];
let proxy: ConnectProxy;
let directory: string;
let environment: Record<string, string>;
let outcomes: ReadonlyMap<string, unknown>;

/** Runs the program and reads its lines. */
async function run(env: Record<string, string>): Promise<ReadonlyMap<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM], { env: { PATH: process.env['PATH'], ...environment, ...env }, timeout: 30_000 });
  return new Map(stdout.trim().split('\n').map((text) => line.parse(JSON.parse(text))).map(({ what, outcome }) => [what, outcome]));
}

beforeAll(async () => {
  const [ours, ofCml] = [await createAuthority('exam-test'), await createAuthority('cml-host')];
  const tls = await ours.issue({ commonName: 'exam.test', hosts: HOSTS });
  const material = { cert: tls.certificate, key: tls.key };
  const cmlTls = await ofCml.issue({ commonName: 'cml.exam.test', hosts: ['cml.exam.test'] });
  const cml = createCmlSimulator({ tls: { cert: cmlTls.certificate, key: cmlTls.key } });
  const [lds, grading] = [createLdsSimulator({ tls: material }), createGradingSimulator({ tls: material })];
  endings.push(() => cml.close(), () => lds.close(), () => grading.close());
  // What AWS, a file server and a sink would answer.
  const server = await startScriptedServer([(response, { headers: { host = '' }, url }) => {
    if (host.startsWith('sink')) response.writeHead(202).end();
    else if (host.startsWith('ec2')) response.writeHead(200, { 'content-type': 'text/xml' }).end(XML);
    else if (host.startsWith('eventbridge')) response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end('{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}');
    else response.writeHead(200).end(`the file at ${host}${url.split('?')[0] ?? ''}`);
  }], material);
  const plain = await startScriptedServer([(response) => response.writeHead(202).end()]);
  endings.push(() => server.close(), () => plain.close());
  const port = (url: string): number => Number(new URL(url).port);
  const scripted = Object.fromEntries(['sink', 'files', 's3', 'ec2', 'eventbridge'].map((name) => [`${name}.exam.test:443`, port(server.url)]));
  proxy = await startConnectProxy({
    ...scripted, 'cml.exam.test:443': port(await cml.listen()), 'lds.exam.test:443': port(await lds.listen()), 'grading.exam.test:443': port(await grading.listen()), 'plain-sink.exam.test:80': port(plain.url),
  });
  endings.push(() => proxy.close());
  directory = await mkdtemp(join(tmpdir(), 'lablet-outgoing-'));
  endings.push(() => rm(directory, { recursive: true }));
  await writeFile(join(directory, 'ca.crt'), ours.certificate);
  environment = {
    NODE_EXTRA_CA_CERTS: join(directory, 'ca.crt'), CML_CA: ofCml.certificate, NO_PROXY: '10.0.0.0/8,.direct.test', HTTP_PROXY: proxy.url, https_proxy: proxy.url,
    CLOUDEVENTS_SINK_URL: 'https://sink.exam.test/events,http://plain-sink.exam.test/events,eventbridge://eu-west-1/exams',
    AWS_ENDPOINT_URL_S3: 'https://s3.exam.test', AWS_ENDPOINT_URL_EC2: 'https://ec2.exam.test', AWS_ENDPOINT_URL_EVENTBRIDGE: 'https://eventbridge.exam.test', AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret',
  };
  outcomes = await run({});
}, 60_000);
afterAll(async () => {
  for (const end of endings.reverse()) await end();
});

describe('through a proxy, to hosts with private authorities', () => {
  test.each([
    ['CML', true],
    ['LDS', true],
    ['sink https://sink.exam.test/events', 'accepted'],
    ['sink http://plain-sink.exam.test/events', 'accepted'],
    ['sink eventbridge://eu-west-1/exams', 'accepted'],
    ['topology', 'the file at files.exam.test/edge.cml.yaml'],
    ['S3', 'the file at s3.exam.test/exam-labs/edge.cml.yaml'],
    ['EC2', 'no image'],
  ])('%s', (what, outcome) => {
    expect(outcomes.get(what)).toEqual(outcome);
  });

  test('GradingEngine, with the token that it gives', () => {
    expect(outcomes.get('GradingEngine')).toMatch(/404/);
  });

  test('every one of them has asked the proxy', () => {
    expect([...new Set(proxy.asked)].sort()).toEqual([
      ...['cml', 'ec2', 'elsewhere', 'eventbridge', 'files', 'grading', 'lds', 's3', 'sink'].map((name) => `CONNECT ${name}.exam.test:443`),
      'POST http://plain-sink.exam.test/events',
    ]);
  });

  test('a refusal of the proxy is told as one, and not as a lost answer', () => {
    expect(outcomes.get('a host that the proxy does not allow')).toMatch(/^ExternalError: .*the proxy let no connection through \(403\): it does not allow the host; have it allowed there, or name it in NO_PROXY/);
  });

  test('NO_PROXY is obeyed', () => {
    expect(outcomes.get('a host of NO_PROXY')).toMatch(/host name (not found|could not be resolved)/);
  });

  test('internal addresses are no source of topologies: the proxy is not even asked', () => {
    expect(outcomes.get('topology at an internal address')).toMatch(/^TopologySourceError: 169\.254\.169\.254 is a link-local address/);
  });
});

test('without the authority nothing is trusted, and the message says where it belongs', async () => {
  // Empty is as good as unset.
  const untrusted = await run({ NODE_EXTRA_CA_CERTS: '', CLOUDEVENTS_SINK_URL: 'https://sink.exam.test/events', AWS_ENDPOINT_URL_S3: 'https://s3.direct.test' });
  expect(untrusted.get('LDS')).toMatch(/not signed by a trusted CA/);
  expect(untrusted.get('topology')).toMatch(/NODE_EXTRA_CA_CERTS/);
  expect(untrusted.get('sink https://sink.exam.test/events')).toBe('retry');
  expect(untrusted.get('EC2')).toMatch(/not signed by a trusted CA/);
  // NO_PROXY is obeyed by the SDK of AWS, too.
  expect(untrusted.get('S3')).toMatch(/host name (not found|could not be resolved)/);
}, 60_000);
