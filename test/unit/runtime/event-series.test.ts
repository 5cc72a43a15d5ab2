import { describe, expect, test } from '@jest/globals';
import { EventSeriesBook } from '../../../src/runtime/event-series.ts';
import type { EventNote } from '../../../src/runtime/event-series.ts';
import { cutBytes } from '../../../src/runtime/recorder.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const note = (more: Partial<EventNote> = {}, uid = 'u-1'): EventNote => ({
  regarding: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'exams', uid, resourceVersion: '1' } },
  type: 'Warning', reason: 'ImportFailed', action: 'Import', note: 'the lab server is away', ...more,
});

test('a series names its object and does not hold it: thousands are remembered', () => {
  const whole = { ...note().regarding, status: { history: ['long'] } };
  const { regarding } = new EventSeriesBook(new FakeClock()).admit(note({ regarding: whole }))?.note ?? {};
  expect(regarding).toEqual(note().regarding);
});

describe('equal notes about one object', () => {
  test('are one series for as long as no pause between two of them reaches two minutes', async () => {
    const clock = new FakeClock();
    const book = new EventSeriesBook(clock);
    const first = book.admit(note());
    for (let n = 0; n < 9; n++) {
      await clock.advance(119_999);
      expect(book.admit(note())).toBe(first);
    }
    expect(first).toMatchObject({ count: 10, firstAt: '2026-11-23T10:00:00.000000Z', lastAt: '2026-11-23T10:17:59.991000Z' });
    await clock.advance(120_000);
    expect(book.admit(note())).toMatchObject({ count: 1 });
  });

  test.each([
    ['another object', note({}, 'u-2')],
    ['another reason', note({ reason: 'StartFailed' })],
    ['another type', note({ type: 'Normal' })],
    ['another key', note({ key: 'else' })],
  ])('differ by %s', (_, other) => {
    const book = new EventSeriesBook(new FakeClock());
    expect(book.admit(note())).not.toBe(book.admit(other));
  });
});

test('an object that has said too much may say one thing more each half minute; others are not affected', async () => {
  const clock = new FakeClock();
  const book = new EventSeriesBook(clock);
  const heard = (count: number, uid: string): number =>
    Array.from({ length: count }, (_, n) => book.admit(note({ key: `${clock.monotonic()}-${n}` }, uid))).filter(Boolean).length;
  expect(heard(40, 'loud')).toBe(25);
  expect(heard(1, 'quiet')).toBe(1);
  await clock.advance(90_000);
  expect(heard(40, 'loud')).toBe(3);
  await clock.advance(24 * 3_600_000);
  expect(heard(40, 'loud')).toBe(25);
});

test('a book remembers no more than it may, the most recent', () => {
  const book = new EventSeriesBook(new FakeClock(), { capacity: 10 });
  for (let n = 0; n < 1000; n++) book.admit(note({}, `u-${n}`));
  expect(book.unwritten().map(({ note: { regarding } }) => regarding.metadata.uid)).toEqual(Array.from({ length: 10 }, (_, n) => `u-${990 + n}`));
});

test.each([
  ['short text stays as it is', 'abc', 10, 'abc'],
  ['text of just the limit stays as it is', 'äöü', 6, 'äöü'],
  ['a character is never cut in two', 'äöüß', 7, 'äö…'],
  ['nor is one of four bytes', '🙂🙂🙂', 10, '🙂…'],
])('%s', (_, text, limit, expected) => {
  expect(cutBytes(text, limit)).toBe(expected);
});
