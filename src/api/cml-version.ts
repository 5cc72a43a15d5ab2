import { coerce, compare } from 'semver';
import type { SemVer } from 'semver';

/**
 * Compares two CML versions as CML writes them ("2.9.1+build.4") by their numbers: negative if `a` is older, 0 if
 * they are the same release, positive if `a` is newer. 2.10.0 is newer than 2.9.1; builds and suffixes do not count.
 * @throws RangeError if one of them is no version
 */
export function compareCmlVersions(a: string, b: string): number {
  return compare(parse(a), parse(b));
}

const KEPT_MAX = 1000;
/** A fleet has few versions, and each placement compares that of every worker. */
const kept = new Map<string, SemVer>();

function parse(version: string): SemVer {
  const known = kept.get(version);
  if (known) return known;
  // At least two numbers at the start: coerce alone would find a version in the middle of any text.
  const parsed = /^\d+\.\d+/.test(version) ? coerce(version) : null;
  if (parsed === null) throw new RangeError(`"${version}" is no CML version; expected e.g. "2.9.1+build.4"`);
  if (kept.size >= KEPT_MAX) kept.clear();
  kept.set(version, parsed);
  return parsed;
}
