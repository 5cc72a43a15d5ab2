import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { startSink, type Sink } from '../../../hack/demo/sink.ts';
import { TIMEOUTS } from '../../../src/core/timeouts.ts';
import { startProgram, type CrashingProgram } from '../../support/crashing-program.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';

let world: Lifecycle;
let sink: Sink;
let slow: Server;
let program: CrashingProgram;

beforeEach(async () => {
  world = await startLifecycle({ world: { script: { lds: [{ candidate: '*', startAfter: '0s', endAfter: '0s' }], grading: [{ candidate: '*', fail: 'the devices could not be read', after: '0s' }] } } });
  sink = await startSink();
  slow = createServer((request, response) => void passOn(request, response));
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  const { settings } = world.deps;
  Object.assign(settings, { scale: 1, timeouts: { ...TIMEOUTS, pollLab: 50 }, grading: { ...settings.grading, endpoint: `http://127.0.0.1:${(slow.address() as AddressInfo).port}` } });
  program = await startProgram(world, sink.url);
  await world.sims.sendEventsTo(program.ingestUrl);
});
afterEach(async () => {
  await program.end();
  slow.closeAllConnections();
  slow.close();
  await world.close();
  await sink.close();
});

/** The way to the GradingEngine: the answer to `grade` comes after the result is stored. */
async function passOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = 'GET', url = '', headers } = request;
  const body = await buffer(request);
  const answer = await fetch(`${world.sims.grading.url}${url}`, {
    method, headers: { 'content-type': headers['content-type'] ?? 'application/json', authorization: headers.authorization ?? '' }, body: body.length === 0 ? null : body,
  });
  const text = await answer.text();
  if (url.endsWith('/grade')) await eventually(async () => expect((await world.session('ada')).status?.gradingSession?.state).toBe('Faulted'));
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' }).end(text);
}

test('a grading that fails before the call for it is answered has failed: the session is held, not graded for ever', async () => {
  await world.define('lenient', { formQualifiedName: 'Exam EDGE v1', grading: { rulesUri: 's3://rules/edge.xml', onFailure: 'Hold' } });
  await world.serve('cml-fast');
  await world.book('ada', 'lenient');
  await eventually(async () => {
    // The pass that called has written: its step is done.
    const { status } = await world.session('ada');
    expect(status?.pipeline?.steps.find(({ name }) => name === 'request_grade')?.state).toBe('Completed');
    expect(status).toMatchObject({ phase: 'Grading', gradingSession: { state: 'Faulted', error: 'the devices could not be read', gradeCalls: 1 } });
  });
});
