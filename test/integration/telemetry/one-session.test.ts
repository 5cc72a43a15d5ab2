/** What one session leaves in traces, metrics and logs: the whole program, a real collector's protocol, and Prometheus' own linter. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CloudEvent, HTTP } from 'cloudevents';
import { z } from 'zod';
import { catalogue } from '../../../src/telemetry/catalogue.ts';
import { eventually } from '../../support/eventually.ts';
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../../support/otlp-receiver.ts';
import { promtool, PROMTOOL_BUILD_LIMIT_MS } from '../../support/promtool/promtool.ts';
import { startScenario, type Scenario } from '../../support/scenario.ts';
import { readTraceParent, type SpanContext } from '../../../src/telemetry/trace-context.ts';
import type { Delivery } from '../../../hack/demo/sink.ts';
import type { LabletSession } from '../../../src/api/labletsession.ts';

const SCALE = 100;
/** The trace of an LDS that has one of its own. */
const FOREIGN = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16) };
const CLIENT = 3;
const CONSUMER = 5;

let world: Scenario;
let collector: OtlpReceiver;
let session: LabletSession;
let metrics: string;
let log: string;

/** All spans of the session's trace. */
const trace = (): ReceivedSpan[] => collector.spans.filter(({ traceId }) => traceId === session.metadata.uid.replaceAll('-', ''));
const named = (name: string | RegExp): ReceivedSpan[] => trace().filter((span) => (typeof name === 'string' ? span.name === name : name.test(span.name)));
const first = (name: string | RegExp): ReceivedSpan => {
  const [span] = named(name);
  if (!span) throw new Error(`no span ${String(name)} among ${[...new Set(trace().map((one) => one.name))].join(', ')}`);
  return span;
};
const parentOf = (span: ReceivedSpan): ReceivedSpan | undefined => trace().find(({ spanId }) => spanId === span.parentSpanId);

/** Events of the session at the sink. */
const delivered = (type = ''): Delivery[] => world.stack.sink.deliveries.filter((one) => one.source.endsWith(session.metadata.uid) && one.type.endsWith(type));

/** What an event names as its parent. */
function contextOf(delivery: Delivery | undefined): SpanContext {
  const [headers] = JSON.parse(delivery?.bytes ?? '[[]]') as [[string, string][]];
  const context = readTraceParent(new Map(headers).get('ce-traceparent'));
  if (!context) throw new Error('no event with a traceparent has come yet');
  return context;
}

async function lds(type: string, { traceId, spanId }: SpanContext): Promise<void> {
  const event = new CloudEvent({ type, source: '/lds', data: { session_id: session.metadata.uid }, traceparent: `00-${traceId}-${spanId}-01` });
  const { headers, body } = HTTP.binary(event);
  const answer = await fetch(world.stack.controller.ingestUrl, { method: 'POST', headers: headers as Record<string, string>, body: body as string });
  expect(answer.status).toBe(202);
}

beforeAll(async () => {
  await promtool(['--version']);
  collector = await startOtlpReceiver();
  world = await startScenario({
    scale: SCALE,
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20t0ken-of-the-collector', LOG_LEVEL: 'debug', TIMEOUTS: 'archiveTtl=1s' },
    world: { script: { lds: [{ candidate: '*', noShow: true }], grading: [{ candidate: '*', score: 87, after: '0s' }] } },
  });
  await world.define('exam');
  await world.book('ada', 'exam');
  session = await world.reaches('ada', 'Ready');
  await lds('lds.session.started', FOREIGN);
  session = await world.reaches('ada', 'Running');
  // This LDS goes on with what our event brought it.
  await lds('lds.session.ended', await eventually(() => contextOf(delivered('session.ready')[0])));
  session = await world.reaches('ada', 'Terminated');
  metrics = await eventually(async () => {
    const text = await (await fetch(`${world.stack.controller.opsUrl}/metrics`)).text();
    // The cache of the controller may be a moment behind what we read.
    expect(text).toContain('lablet_sessions{phase="Terminated"} 1');
    return text;
  });
  await world.stack.controller.stop();
  log = await world.stack.controller.log();
}, PROMTOOL_BUILD_LIMIT_MS);
afterAll(async () => {
  await world.stop();
  await collector.close();
});

describe('the trace of a session', () => {
  test('is one tree: its life, in it the phases, in them what was done', () => {
    const life = first('session');
    expect(life.parentSpanId).toBeUndefined();
    expect(life.attributes).toMatchObject({ 'lablet.session': 'exams/ada', 'lablet.session.ending': 'Normal' });
    const history = session.status?.history ?? [];
    for (const [index, { to, at }] of history.slice(0, -1).entries()) {
      const phase = first(`phase ${to}`);
      expect(phase).toMatchObject({ parentSpanId: life.spanId, startTimeUnixNano: Date.parse(at), endTimeUnixNano: Date.parse(history[index + 1]?.at ?? '') });
    }
    for (const span of trace()) if (span !== life) expect({ name: span.name, parent: parentOf(span)?.name }).toEqual({ name: span.name, parent: expect.any(String) });
    expect(new Set(trace().map(({ spanId }) => spanId)).size).toBe(trace().length);
  });

  test.each([
    ['CML', 'cml PUT /labs/{id}/start', 'step lab_start', 'Instantiating'],
    ['LDS', 'lds POST /reservations/v3/lab_session', 'step lds_provision', 'Instantiating'],
    ['the GradingEngine', /^grading POST .*grade/, 'step request_grade', 'Grading'],
  ])('leads from a call to %s to its step, the pass and the phase', (_, name, step, phase) => {
    const call = first(name);
    expect(call.kind).toBe(CLIENT);
    expect(Number(call.attributes['http.response.status_code'])).toBeLessThan(300);
    const above = [parentOf(call)];
    while (above[0]?.parentSpanId !== undefined) above.unshift(parentOf(above[0]));
    expect(above.map((span) => span?.name)).toEqual(['session', `phase ${phase}`, 'reconcile session', step]);
  });

  test('takes in an event of a sender with another trace, and is linked to it', () => {
    expect(first('process lds.session.started')).toMatchObject({ kind: CONSUMER, parentSpanId: first('phase Ready').spanId, links: [FOREIGN] });
  });

  test('goes on where a sender goes on with it', () => {
    const ended = first('process lds.session.ended');
    expect(parentOf(ended)?.name).toBe('send ccm.lablet.session.ready');
    expect(ended.links).toEqual([]);
  });

  test('has each emitted event under the very span that the event names as its parent', () => {
    const ready = first('send ccm.lablet.session.ready');
    for (const event of delivered()) {
      const sent = first(`send ${event.type}`);
      expect(sent.parentSpanId).toBe(first('session').spanId);
      // What an event of LDS has caused goes on with its trace, which is another one at the start, and our own at the end.
      const causes = event.type.endsWith('session.running') ? [FOREIGN] : /collecting|grading_session/.test(event.type) ? [ready] : [sent];
      expect(causes.map(({ traceId, spanId }) => ({ traceId, spanId }))).toEqual([contextOf(event)]);
    }
    expect(first('send ccm.lablet.session.running').links).toEqual([FOREIGN]);
    expect(named(/^send /)).toHaveLength(14);
  });

  test('says who sends it, with what the collector wants to see', () => {
    expect(collector.resources[0]).toMatchObject({ 'service.name': 'lablet-controller', 'k8s.namespace.name': 'lablet-system' });
    expect(new Set(collector.authorizations)).toEqual(new Set(['Bearer t0ken-of-the-collector']));
  });
});

describe('the metrics', () => {
  test('are what Prometheus reads, named as it advises', async () => {
    // Those of the client library, such as nodejs_*, are named by others.
    const ours = metrics.split('\n').filter((line) => /^(# (HELP|TYPE) )?lablet_/.test(line));
    expect(await promtool(['check', 'metrics', '--lint=all'], `${ours.join('\n')}\n`)).toEqual({ isOk: true, said: '' });
    expect(await promtool(['check', 'metrics', '--lint=none', '--extended'], metrics)).toMatchObject({ isOk: true });
  });

  test('of the catalogue are there, and tell what happened', () => {
    for (const { name } of Object.values(catalogue)) expect(metrics).toContain(`# TYPE ${name} `);
    for (const line of [
      'lablet_sessions{phase="Running"} 0', 'lablet_sessions{phase="Terminated"} 1', 'lablet_sessions_overdue{phase="Running"} 0', 'lablet_session_ends_total{ending="Normal"} 1', 'lablet_worker{phase="Running"} 1',
      'lablet_grading_turnaround_seconds_count 1', 'lablet_instantiate_duration_seconds_count{path="import"} 1', 'lablet_leader 1', 'lablet_outboxes_parked 0', 'lablet_session_starts_total{outcome="late"} 0',
    ]) expect(metrics).toContain(`\n${line}\n`);
    expect(metrics).toMatch(/\nlablet_build_info\{version="[0-9.]+[^"]*",node="24\.[^"]+"\} 1\n/);
    expect(metrics).toMatch(/\nlablet_event_delivery_seconds_count\{sink="http:[^"]+"\} [1-9]/);
  });
});

test('none of them holds the launch URL of the candidate, which is a bearer secret', () => {
  const url = z.url().parse(delivered('session.ready')[0]?.data['login_url']);
  const secret = new URL(url).search;
  expect(secret.length).toBeGreaterThan(10);
  for (const said of [JSON.stringify(collector.spans), metrics, log]) expect(said).not.toContain(secret);
});

describe('the log', () => {
  const line = z.looseObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']), time: z.iso.datetime(), message: z.string(), session: z.string().optional(), uid: z.string().optional(), phase: z.string().optional(), traceId: z.string().optional() });
  const lines = (): z.output<typeof line>[] => log.trimEnd().split('\n').map((text) => line.parse(JSON.parse(text)));

  test('is one JSON object a line, and whatever is said about the session can be found by any of its names', () => {
    const { uid } = session.metadata;
    const own = lines().filter((said) => said.session === 'exams/ada');
    expect(own.length).toBeGreaterThan(10);
    for (const said of own) expect(said).toMatchObject({ uid, phase: expect.any(String), traceId: uid.replaceAll('-', '') });
    expect(own.filter(({ message }) => message === 'transition').map(({ phase }) => phase)).toEqual(session.status?.history?.map(({ to }) => to));
    expect(log).not.toContain('t0ken-of-the-collector');
  });
});
