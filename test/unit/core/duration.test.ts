import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../../src/core/duration.ts';

describe('a duration', () => {
  test.each([['90m', 5_400_000], ['1h30m', 5_400_000], ['20s', 20_000], ['0s', 0], ['250ms', 250], ['1.5h', 5_400_000]])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(['', '5', 'm', '1d', '-5m', '1h 30m'])('"%s" is refused', (text) => {
    expect(() => parseDuration(text)).toThrow(RangeError);
  });

  test('whole seconds are read back as they were written', () => {
    fc.assert(fc.property(fc.nat(100_000_000), (seconds) => parseDuration(formatDuration(seconds * 1000)) === seconds * 1000));
  });
});
