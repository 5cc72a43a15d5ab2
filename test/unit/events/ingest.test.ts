import { describe, expect, test } from '@jest/globals';
import { CloudEventError } from '../../../src/events/cloudevent.ts';
import { Ingest } from '../../../src/events/ingest.ts';
import { SESSION_INDEXES } from '../../../src/events/correlate.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { fixedCredentials } from '../../../src/kube/credentials.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { gradedWorld } from '../../support/events/session-world.ts';
import { minimal, parseOne } from '../../support/events/requests.ts';
import type { LabletSession, LabletSessionStatus } from '../../../src/api/labletsession.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { SessionLookup } from '../../../src/events/correlate.ts';
import type { IngestDeps } from '../../../src/events/ingest.ts';

/** Sessions by the very indexes that the cache has. */
function lookup(...sessions: LabletSession[]): SessionLookup {
  return {
    get: (key) => sessions.find(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}` === key),
    byIndex: (index, value) => sessions.filter((session) => SESSION_INDEXES[index as keyof typeof SESSION_INDEXES](session).includes(value)),
  };
}

function session(name: string, namespace: string, status: LabletSessionStatus = {}): LabletSession {
  return {
    apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession', metadata: { name, namespace, uid: `uid-${namespace}-${name}`, resourceVersion: '1', creationTimestamp: '2026-11-23T09:00:00Z' },
    spec: { definitionRef: { name: 'campus-edge' }, owner: 'proctor-7', admission: 'Queue', desiredState: 'Active' }, status,
  };
}

/** The API server is away: what gets as far as storing is answered with 503 `failed`. */
function ingest(sessions: SessionLookup, options: { clock?: FakeClock; allowedSources?: string[]; typeAliases?: IngestDeps['typeAliases'] } = {}) {
  const client = new KubeClient({ server: new URL('https://127.0.0.1:9'), credentials: fixedCredentials({ headers: {} }), namespace: 'x', origin: 'test' }, { retry: { retries: 0 } });
  const metrics = createMetrics();
  return { metrics, ingest: new Ingest({ client, sessions, world: async () => gradedWorld(), clock: options.clock ?? new FakeClock(), log: silentLog, metrics, ownSource: '/ccm/lablet-controller', allowedSources: options.allowedSources ?? [], typeAliases: options.typeAliases }) };
}

const event = (data: unknown, headers: Record<string, string> = {}): CloudEvent => parseOne({ ...minimal, 'content-type': 'application/json', ...headers }, JSON.stringify(data));

describe('before anything is stored', () => {
  test.each([
    ['our own event is a loop', { 'ce-source': '/ccm/lablet-controller/labletsessions/x' }, {}, [202, 'loop']],
    ['a source that only begins like ours is not', { 'ce-source': '/ccm/lablet-controller-2', 'ce-subject': 'x' }, {}, [503, 'unknown_session']],
    ['a type that we do not consume is passed over', { 'ce-type': 'com.example.other' }, {}, [202, 'other_type']],
    ['an event that names nobody is refused', {}, {}, [400, 'invalid']],
    ['a name of another type is refused', {}, { session_id: 5 }, [400, 'invalid']],
    ['a naive time is refused', {}, { session_id: 'x', started_at: '2026-11-23T10:00:00' }, [400, 'invalid']],
    ['a result without a score is refused', { 'ce-type': 'grading.session.completed' }, { session_id: 'x', passed: true }, [400, 'invalid']],
    ['a score above the highest is refused', { 'ce-type': 'grading.session.completed' }, { session_id: 'x', score: 5, max_score: 4 }, [400, 'invalid']],
    ['a negative score is refused', { 'ce-type': 'grading.session.completed' }, { session_id: 'x', score: { total: -1 } }, [400, 'invalid']],
    ['data of more than 24 KiB are refused', {}, { session_id: 'x', more: 'x'.repeat(24 * 1024) }, [413, 'too_large']],
    ['an id that the inbox cannot hold is refused', { 'ce-id': 'x'.repeat(513) }, { session_id: 'x' }, [400, 'invalid']],
  ] as const)('%s', async (_, headers, data, [status, result]) => {
    const { ingest: subject, metrics } = ingest(lookup());
    expect(await subject.accept(event(data, headers))).toMatchObject({ status, result });
    const given = Object.entries(headers).find(([name]) => name === 'ce-type')?.[1] ?? 'lds.session.started';
    const type = given === 'com.example.other' ? 'other' : given;
    expect((await metrics.eventsIn.get()).values.map(({ labels, value }) => [labels, value])).toEqual([[{ type, result }, 1]]);
  });

  test('a type of a sender’s own is read as the one that it stands for, and counted as that', async () => {
    const { ingest: subject, metrics } = ingest(lookup(), { typeAliases: new Map([['assessment.grading.completed', 'grading.session.completed']]) });
    expect(await subject.accept(event({ session_id: 'x' }, { 'ce-type': 'assessment.grading.completed' }))).toMatchObject({ status: 400, message: expect.stringContaining('score') });
    expect((await metrics.eventsIn.get()).values.map(({ labels }) => labels)).toEqual([{ type: 'grading.session.completed', result: 'invalid' }]);
  });

  test('what is no event is counted too', async () => {
    const { ingest: subject, metrics } = ingest(lookup());
    expect(subject.refuse(new CloudEventError('bad', 415))).toEqual({ status: 415, result: 'invalid', message: 'bad' });
    expect((await metrics.eventsIn.get()).values.map(({ labels }) => labels)).toEqual([{ type: 'other', result: 'invalid' }]);
  });

  test.each([['/lds', 503], ['/lds/eu', 503], ['/ldsx', 403], ['/x/lds', 403], ['/grading/eu/v2', 503], ['/other', 403]])('a source %s is weighed against the allow-list', async (source, status) => {
    const { ingest: subject } = ingest(lookup(), { allowedSources: ['/lds', '/lds/*', '/grading/*/v2'] });
    expect((await subject.accept(event({ session_id: 'x' }, { 'ce-source': source }))).status).toBe(status);
  });

  test('a refusal names the field and what it should be', async () => {
    const { message } = await ingest(lookup()).ingest.accept(event({ session_id: 'x', score: 'high' }, { 'ce-type': 'grading.session.completed' }));
    expect(message).toBe('data: score: must be a number, or an object with total and optionally max and breakdown');
  });
});

describe('whom an event is about', () => {
  const alpha = session('cand-1', 'a', { userSession: { id: 'u', ldsSessionId: 'lds-1', partNum: 1, state: 'Provisioned' }, gradingSession: { id: 'g-ours', gradingSessionId: 'g-theirs', state: 'Grading', attempt: 1 } });
  const twin = session('cand-1', 'b');
  const beta = session('cand-2', 'b');

  test.each<[string, object, Record<string, string>, boolean]>([
    ['lds_session_id', { lds_session_id: 'lds-1' }, {}, true],
    ['our grading id', { grading_session_id: 'g-ours' }, {}, true],
    ['their grading id', { grading_session_id: 'g-theirs' }, {}, true],
    ['uid as session_id', { session_id: 'uid-a-cand-1' }, {}, true],
    ['uid as lablet_session_id', { lablet_session_id: 'uid-a-cand-1' }, {}, true],
    ['a unique name', { session_id: 'cand-2' }, {}, true],
    ['a name that two sessions have', { session_id: 'cand-1' }, {}, false],
    ['an LDS id under the name session_id', { session_id: 'lds-1' }, {}, true],
    ['the subject, as we write it', {}, { 'ce-subject': 'b/cand-1' }, true],
    ['the subject, as an LDS id', {}, { 'ce-subject': 'lds-1' }, true],
    ['an unknown LDS id beside a known session without a page', { lds_session_id: 'lds-9', session_id: 'uid-b-cand-2' }, {}, true],
    ['the page of an earlier try', { lds_session_id: 'lds-0', session_id: 'uid-a-cand-1' }, {}, false],
    ['nobody', { session_id: 'nobody', grading_session_id: 'g-0' }, {}, false],
  ])('is told by %s', async (_, data, headers, isKnown) => {
    const { ingest: subject } = ingest(lookup(alpha, twin, beta));
    expect((await subject.accept(event(data, headers))).result).toBe(isKnown ? 'failed' : 'unknown_session');
  });
});

describe('an event of a session that nobody knows', () => {
  test('is asked for again while our status may lag, and dropped after 30 s', async () => {
    const clock = new FakeClock();
    const { ingest: subject } = ingest(lookup(), { clock });
    const unknown = event({ session_id: 'x' });
    expect(await subject.accept(unknown)).toMatchObject({ status: 503, retryAfter: 2 });
    await clock.advance(29_000);
    expect((await subject.accept(unknown)).status).toBe(503);
    await clock.advance(1000);
    expect(await subject.accept(unknown)).toEqual({ status: 202, result: 'unknown_session' });
  });

  test('is asked for again though its time is a leap second, which no clock here knows', async () => {
    const { ingest: subject } = ingest(lookup());
    expect((await subject.accept(event({ session_id: 'x' }, { 'ce-time': '2016-12-31T23:59:60Z' }))).status).toBe(503);
  });

  test('is dropped at once if it is old, and not asked for for ever if its clock is ahead', async () => {
    const clock = new FakeClock('2026-11-23T10:00:00.000Z');
    const { ingest: subject } = ingest(lookup(), { clock });
    expect((await subject.accept(event({ session_id: 'x' }, { 'ce-time': '2026-11-23T09:59:00Z' }))).status).toBe(202);
    const ahead = event({ session_id: 'x' }, { 'ce-id': 'ahead', 'ce-time': '2026-11-24T00:00:00Z' });
    expect((await subject.accept(ahead)).status).toBe(503);
    await clock.advance(31_000);
    expect((await subject.accept(ahead)).status).toBe(202);
  });
});
