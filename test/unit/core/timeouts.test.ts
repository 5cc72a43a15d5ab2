import { describe, expect, test } from '@jest/globals';
import { readTimeouts, scaleTimeouts, TIMEOUTS } from '../../../src/core/timeouts.ts';

describe('the limits of an installation', () => {
  test('are those of the contract where nothing is said', () => {
    expect(readTimeouts('')).toEqual(TIMEOUTS);
  });

  test('are set one by one; the others stay', () => {
    expect(readTimeouts('hold=2h, instantiateAttempts=5,pollLds=90s')).toEqual({ ...TIMEOUTS, hold: 7_200_000, instantiateAttempts: 5, pollLds: 90_000 });
  });

  test('run faster in a world whose clock does, but for the number of attempts', () => {
    expect(scaleTimeouts(60, readTimeouts('hold=2h,instantiateAttempts=5'))).toMatchObject({ hold: 120_000, instantiateAttempts: 5, grading: TIMEOUTS.grading / 60 });
  });

  test.each([
    ['hodl=2h', 'there is no limit "hodl"; there are '],
    ['__proto__=2h', 'there is no limit "__proto__"'],
    ['hold', '"hold" is no pair such as hold=2h'],
    ['hold=2', 'not a duration: "2"'],
    ['hold=0s', 'hold is from 1s to 8760h'],
    ['hold=9000h', 'hold is from 1s to 8760h'],
    ['instantiateAttempts=0', 'instantiateAttempts is a whole number from 1 to 20'],
    ['instantiateAttempts=2.5', 'instantiateAttempts is a whole number'],
  ])('%s is refused with what to write', (text, message) => {
    expect(() => readTimeouts(text)).toThrow(message);
  });
});
