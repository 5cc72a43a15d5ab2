/**
 * A program that leaves the cluster once by every client that the controller has, made as the controller makes them, and
 * prints a line for each: what came of it. The environment is that of the controller.
 */
import { createOutgoing } from '../../src/app/outgoing.ts';
import { readConfig } from '../../src/app/config.ts';
import type { CallOptions } from '../../src/clients/call.ts';
import type { CloudEvent } from '../../src/events/cloudevent.ts';

const options: CallOptions = { signal: AbortSignal.timeout(20_000) };
const event: CloudEvent = { id: '1', source: '/ccm/lablet-controller', type: 'ccm.lablet.session.ready', subject: 'exams/ada', extensions: new Map() };

/** Not repeatable: one try, and no answer to it would be an unknown outcome. */
const booking = { origin: 'test', authId: '1', candidate: { id: 'ada', firstName: 'Ada', lastName: 'L' }, scheduledAt: '2026-11-23T10:00:00Z', formQualifiedName: 'Exam EDGE v1' };

const out = createOutgoing(readConfig(process.env), {
  credentials: async (key) => ({ username: 'admin', password: 'secret', ...(key === 'cml' ? { ca: process.env['CML_CA'] } : {}) }),
});

async function tell(what: string, call: () => Promise<unknown>): Promise<void> {
  const outcome = await call().then((value) => value, (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)));
  process.stdout.write(`${JSON.stringify({ what, outcome: outcome ?? null })}\n`);
}

const lds = (endpoint: string) => out.clients.lds({ endpoint, credentialsKey: 'lds' });
const topology = async (uri: string): Promise<string> => {
  const read = await out.topologies.read(uri, options);
  return 'bytes' in read ? Buffer.from(read.bytes).toString('utf8') : 'unchanged';
};

await Promise.all([
  tell('CML', async () => (await out.clients.cml({ name: 'cml-1', endpoint: 'https://cml.exam.test', credentialsKey: 'cml' }).systemInformation(options)).ready),
  tell('LDS', async () => (await lds('https://lds.exam.test').refreshContent('Exam EDGE v1', options)).version.length > 0),
  tell('GradingEngine', async () => out.clients.grading({ endpoint: 'https://grading.exam.test', tokenUrl: 'https://grading.exam.test/oauth/token', credentialsKey: 'grading' }).session('none', options)),
  ...out.sinks.map((sink) => tell(`sink ${sink.name}`, async () => (await sink.send(event, options.signal)).outcome)),
  tell('topology', () => topology('https://files.exam.test/edge.cml.yaml')),
  tell('topology at an internal address', () => topology('https://169.254.169.254/latest/meta-data')),
  tell('S3', () => topology('s3://exam-labs/edge.cml.yaml')),
  tell('EC2', async () => (await out.providers.ec2('eu-west-1').resolveImage('cml-2.9*', options)) ?? 'no image'),
  tell('a host that the proxy does not allow', async () => lds('https://elsewhere.exam.test').createSession(booking, options)),
  tell('a host of NO_PROXY', async () => lds('https://lds.direct.test').createSession(booking, options)),
]);
await out.close();
