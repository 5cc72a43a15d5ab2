/** Whether a version may be cut now. */
import { gt, prerelease, valid } from 'semver';

export interface ReleaseFacts {
  /** The version that is asked for. */
  readonly version: string;
  /** Versions that are there already, the oldest first. */
  readonly released: readonly string[];
  /** Files that differ from the last commit. */
  readonly changed: readonly string[];
  /** Text of CHANGELOG.md. */
  readonly changelog: string;
}

/** Everything that stands against it, each with what to do; empty: nothing. */
export function releaseProblems({ version, released, changed, changelog }: ReleaseFacts): string[] {
  if (valid(version) !== version) return [`"${version}" is no version; say for example: make release VERSION=0.2.0`];
  const latest = released.at(-1);
  return [
    prerelease(version)?.includes('dev') ? `${version} is a version of the development, which is not released` : undefined,
    released.includes(version) ? `${version} is released already, and what is released never changes` : undefined,
    latest !== undefined && !released.includes(version) && !gt(version, latest) ? `${version} is older than ${latest}, the last release` : undefined,
    changed.length > 0 ? `${changed.length} files are not committed (${changed.slice(0, 3).map((line) => line.trim()).join(', ')}); commit or remove them` : undefined,
    changelog.split('\n').some((line) => line.startsWith(`## [${version}]`)) ? undefined : `CHANGELOG.md has no section "## [${version}]"; say there what this version changes`,
  ].filter((problem) => problem !== undefined);
}
