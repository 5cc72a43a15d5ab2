/** Versions compared as numbers: 2.10 is newer than 2.9; `+build` does not count. */
import { coerce, compare } from 'semver';

/**
 * Negative if `a` is older than `b`, 0 if they are the same release, positive if newer. `2.9` reads as 2.9.0.
 * @throws RangeError if one of them does not begin with a number
 */
export function compareVersions(a: string, b: string): number {
  return compare(parse(a), parse(b));
}

function parse(version: string): string {
  const parsed = /^\d+(\.\d+)*/.test(version) ? coerce(version) : null;
  if (parsed === null) throw new RangeError(`"${version.slice(0, 40)}" is no version; expected for example "2.9.1"`);
  return parsed.version;
}
