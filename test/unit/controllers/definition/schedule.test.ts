import { describe, expect, test } from '@jest/globals';
import { ReadingSchedule } from '../../../../src/controllers/definition/schedule.ts';
import { inspect, judgeDefinition } from '../../../../src/core/definition-lifecycle.ts';
import type { LabletDefinition } from '../../../../src/api/labletdefinition.ts';
import type { Content } from '../../../../src/core/definition-lifecycle.ts';
import { newDefinition, stored, TOPOLOGY } from '../../../support/objects.ts';

const NOW = new Date('2026-11-23T12:00:00Z');
const GONE: Content = { state: 'missing', reason: 'SourceUnavailable', message: 'down' };
const URI = { uri: 'https://labs.example.org/edge.cml.yaml' };

const definition = (topology: LabletDefinition['spec']['topology'], version = '1.0.0'): LabletDefinition => stored<LabletDefinition>('LabletDefinition', newDefinition('exams', 'edge', { spec: { topology, version } }));
const content = (text = TOPOLOGY): Content => inspect(new TextEncoder().encode(text), 'test', definition(URI).spec);
/** The definition as it is after `read` was judged. */
const judged = (of: LabletDefinition, read = content()): LabletDefinition => ({ ...of, status: judgeDefinition(of, read, { live: new Map(), emit: true }, NOW).status });

function given(): { schedule: ReadingSchedule; pass: (ms: number) => void } {
  let at = 0;
  return { schedule: new ReadingSchedule({ monotonic: () => at }, 1), pass: (ms) => { at += ms; } };
}

describe('a topology is read', () => {
  test('at once for a new definition and for a new version, then each refreshInterval', () => {
    const { schedule, pass } = given();
    const edge = judged(definition({ ...URI, refreshInterval: '5m' }));
    expect(schedule.dueIn(edge)).toBe(0);
    schedule.read(edge, { content: content() }, false);
    expect(schedule.dueIn(edge)).toBe(300_000);
    pass(299_000);
    expect(schedule.dueIn(edge)).toBe(1_000);
    expect(schedule.dueIn(definition({ ...URI, refreshInterval: '5m' }, '1.1.0'))).toBe(0);
  });

  test('each 10 minutes where nothing else is said, fixed content too', () => {
    const { schedule } = given();
    const fixed = judged(definition({ ...URI, sha256: '0'.repeat(64) }));
    schedule.read(fixed, { content: content() }, false);
    expect(schedule.dueIn(fixed)).toBe(600_000);
  });

  test('sooner while its source fails, ever less often, and as usual when it is back', () => {
    const { schedule } = given();
    const edge = judged(definition(URI));
    const waits = Array.from({ length: 7 }, () => {
      schedule.read(edge, { content: GONE }, true);
      return schedule.dueIn(edge);
    });
    expect(waits).toEqual([3_000, 6_000, 12_000, 24_000, 48_000, 60_000, 60_000]);
    schedule.read(edge, { content: content() }, false);
    expect(schedule.dueIn(edge)).toBe(600_000);
  });

  test('every few seconds while its ConfigMap is missing, but not so from a web server that answers 404', () => {
    const missing: Content = { state: 'missing', reason: 'SourceNotFound', message: 'none' };
    const { schedule } = given();
    const [own, foreign] = [definition({ configMapRef: { name: 'late', key: 'lab' } }), definition(URI)];
    for (let reading = 0; reading < 5; reading += 1) schedule.read(own, { content: missing }, true);
    expect(schedule.dueIn(own)).toBe(3_000);
    for (let reading = 0; reading < 6; reading += 1) schedule.read(foreign, { content: missing }, true);
    expect(schedule.dueIn(foreign)).toBe(60_000);
  });
});

describe('a source is asked whether it is unchanged', () => {
  test('while what was read last is what new sessions get, also after it said so', () => {
    const { schedule } = given();
    const edge = judged(definition(URI));
    expect(schedule.etag(edge)).toBeUndefined();
    schedule.read(edge, { content: content(), etag: '"v1"' }, false);
    expect(schedule.etag(edge)).toBe('"v1"');
    schedule.read(edge, { content: { state: 'unchanged' } }, false);
    expect(schedule.etag(edge)).toBe('"v1"');
  });

  test('not while it fails, so that an outage ends with a full reading', () => {
    const { schedule } = given();
    const edge = judged(definition(URI));
    schedule.read(edge, { content: content(), etag: '"v1"' }, false);
    schedule.read(edge, { content: GONE }, true);
    expect(schedule.etag(edge)).toBeUndefined();
  });

  test('not where other bytes are stored than were read, so that they become a version yet', () => {
    const { schedule } = given();
    const edge = judged(definition(URI));
    schedule.read(edge, { content: content(`${TOPOLOGY}# newer\n`), etag: '"v2"' }, false);
    expect(schedule.etag(edge)).toBeUndefined();
  });

  test('not after the definition has another version or source', () => {
    const { schedule } = given();
    const edge = judged(definition(URI));
    schedule.read(edge, { content: content(), etag: '"v1"' }, false);
    expect(schedule.etag({ ...edge, spec: { ...edge.spec, topology: { uri: 'https://other.example.org/edge.cml.yaml' } } })).toBeUndefined();
  });
});
