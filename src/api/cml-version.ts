import { coerce, compare } from 'semver';

/**
 * Compares two CML versions as CML writes them ("2.9.1+build.4") by their numbers: negative if `a` is older, 0 if
 * they are the same release, positive if `a` is newer. 2.10.0 is newer than 2.9.1; builds and suffixes do not count.
 * @throws RangeError if one of them is no version
 */
export function compareCmlVersions(a: string, b: string): number {
  return compare(parse(a), parse(b));
}

function parse(version: string): string {
  // At least two numbers at the start: coerce alone would find a version in the middle of any text.
  const parsed = /^\d+\.\d+/.test(version) ? coerce(version) : null;
  if (parsed === null) throw new RangeError(`"${version}" is no CML version; expected e.g. "2.9.1+build.4"`);
  return parsed.version;
}
