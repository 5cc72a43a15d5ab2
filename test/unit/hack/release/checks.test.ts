import { describe, expect, test } from '@jest/globals';
import { releaseProblems } from '../../../../hack/release/checks.ts';
import type { ReleaseFacts } from '../../../../hack/release/checks.ts';

const facts: ReleaseFacts = { version: '0.2.0', released: ['0.1.0'], changed: [], changelog: '# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n' };
const problems = (change: Partial<ReleaseFacts>): string => releaseProblems({ ...facts, ...change }).join('\n');

describe('a version', () => {
  test('is cut from a clean tree whose changelog knows it', () => {
    expect(releaseProblems(facts)).toEqual([]);
    expect(releaseProblems({ ...facts, released: [] })).toEqual([]);
  });

  test.each<[string, Partial<ReleaseFacts>, RegExp]>([
    ['is no version', { version: '' }, /make release VERSION=/],
    ['is written with a v', { version: 'v0.2.0' }, /"v0.2.0" is no version/],
    ['is one of the development', { version: '0.2.0-dev', changelog: '## [0.2.0-dev]' }, /of the development/],
    ['was released before', { released: ['0.1.0', '0.2.0'] }, /released already/],
    ['is older than the last one', { released: ['0.1.0', '0.3.0'] }, /older than 0\.3\.0/],
    ['would hold what nobody committed', { changed: [' M src/main.ts', '?? notes.txt'] }, /2 files are not committed \(M src\/main\.ts, \?\? notes\.txt\)/],
    ['is not in the changelog', { changelog: '## [Unreleased]\nmentions [0.2.0]\n' }, /has no section "## \[0\.2\.0\]"/],
  ])('is refused where it %s', (_, change, message) => {
    expect(problems(change)).toMatch(message);
  });
});
