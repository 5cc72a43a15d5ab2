import { describe, expect, test } from '@jest/globals';
import { CONSUMED_TYPES, isConsumedType, readConsumedData, readStoredData } from '../../../src/api/events.ts';

describe('the data of a result', () => {
  test.each([
    ['flat', { score: 71, max_score: 100, cut_score: 60, passed: true, sections: [{ name: 'OSPF', score: 31, max_score: 40 }], report_url: 'https://ge/r/1' }],
    ['nested', { score: { total: 71, max: 100, breakdown: [{ criterion: 'OSPF', points: 31, max_points: 40 }] }, cut_score: 60, passed: true, report_url: 'https://ge/r/1' }],
    ['nested, with max instead of max_points', { score: { total: 71, max: 100, breakdown: [{ criterion: 'OSPF', points: 31, max: 40 }] }, cut_score: 60, passed: true, report_url: 'https://ge/r/1' }],
  ])('%s means the same', (_, data) => {
    expect(readConsumedData('grading.session.completed', { grading_session_id: 'g', ...data })).toEqual({
      gradingSessionId: 'g', score: 71, maxScore: 100, cutScore: 60, passed: true, sections: [{ name: 'OSPF', score: 31, maxScore: 40 }], reportUrl: 'https://ge/r/1',
    });
  });

  test('that is null is not given, and what is not known is left out', () => {
    expect(readConsumedData('grading.session.completed', { score: 0, max_score: null, passed: null, session_id: null, surprise: 1 })).toEqual({ score: 0 });
  });
});

test.each([[{ error: 'a', reason: 'b' }, 'a'], [{ reason: 'b', message: 'c' }, 'b'], [{ error: '', message: 'c' }, 'c'], [{}, 'no reason given'], [{ error: 'x'.repeat(600) }, 'x'.repeat(512)]])(
  'a failure says why, under any of its names', (data, error) => {
    expect(readConsumedData('grading.session.failed', data).error).toBe(error);
  });

test('what is stored of a deferred event is read back as it was', () => {
  const data = readConsumedData('grading.session.completed', { grading_session_id: 'g', score: { total: 1, max: 2, breakdown: [{ criterion: 'a', points: 1 }] }, regrade: true });
  expect(readStoredData('grading.session.completed', JSON.stringify(data))).toEqual(data);
});

test('four types are consumed, and names of Object are none of them', () => {
  expect(CONSUMED_TYPES).toHaveLength(4);
  expect(['constructor', '__proto__', 'toString'].some(isConsumedType)).toBe(false);
});
