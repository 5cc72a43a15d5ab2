import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareCmlVersions } from '../../src/api/cml-version.ts';

const numbers = fc.tuple(fc.nat(40), fc.nat(40), fc.nat(40));
const suffix = fc.constantFrom('', '+build.4', '-dev0+build.12', '.3');
const written = fc.tuple(numbers, suffix).map(([release, end]) => ({ release, text: release.join('.') + end }));

describe('CML versions', () => {
  test('2.10 is newer than 2.9, and a build is not a release', () => {
    expect(compareCmlVersions('2.10.0', '2.9.1+build.4')).toBeGreaterThan(0);
    expect(compareCmlVersions('2.9.1+build.4', '2.9.1+build.11')).toBe(0);
    expect(compareCmlVersions('2.9', '2.9.0')).toBe(0);
    expect(compareCmlVersions('2.8.1', '2.10.0')).toBeLessThan(0);
  });

  test('they compare as their numbers do, whatever is written after them', () => {
    fc.assert(
      fc.property(written, written, (a, b) => {
        const first = a.release.findIndex((number, index) => number !== b.release[index]);
        const expected = first === -1 ? 0 : Math.sign((a.release[first] ?? 0) - (b.release[first] ?? 0));
        expect(compareCmlVersions(a.text, b.text)).toBe(expected);
      }),
    );
  });

  test.each(['', 'latest', '2', 'v2.9.1', 'CML 2.9.1'])('"%s" is no version', (text) => {
    expect(() => compareCmlVersions(text, '2.9.1')).toThrow(/is no CML version; expected e\.g\./);
  });
});
