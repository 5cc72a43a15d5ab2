import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatBytes, formatCpu, parseQuantity } from '../../../src/core/quantity.ts';

describe('a Kubernetes quantity', () => {
  test.each([
    ['4', 4], [4, 4], ['500m', 0.5], ['1.5', 1.5], ['6Gi', 6 * 2 ** 30], ['1k', 1000], ['2Ki', 2048], ['1e3', 1000], ['1E3', 1000], ['5E', 5e18], ['100n', 1e-7],
  ])('%s is %d', (text, value) => {
    expect(parseQuantity(text)).toBeCloseTo(value, 10);
  });

  test.each(['', 'Gi', '6GiB', '-1', '1 Gi ', '0x10', '1..5'])('"%s" is refused, with examples', (text) => {
    if (text === '1 Gi ') expect(() => parseQuantity(text)).toThrow(RangeError);
    else expect(() => parseQuantity(text)).toThrow(/examples: 4, 500m, 6Gi/);
  });

  test('bytes and CPUs are read back as they were written', () => {
    fc.assert(fc.property(fc.nat(2 ** 48), (bytes) => parseQuantity(formatBytes(bytes)) === bytes));
    fc.assert(fc.property(fc.nat(10_000_000), (milli) => Math.round(parseQuantity(formatCpu(milli / 1000)) * 1000) === milli));
  });
});
