import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { SESSION_PHASES } from '../../../../src/api/labletsession.ts';
import { take } from '../../../../src/core/session/effects.ts';
import { situation } from '../../../../src/core/session/situation.ts';
import { TABLE } from '../../../../src/core/session/table.ts';
import { sessionAt } from '../../../support/builders.ts';
import type { RowId } from '../../../../src/core/session/table.ts';

const root = resolve(import.meta.dirname, '../../../..');
const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts')).map((path) => join('src', path));

/** Lines that put something into a field `phase`, other than comparisons and types. */
function writersOfPhase(path: string): string[] {
  return readFileSync(join(root, path), 'utf8').split('\n').filter((line) => /\.phase\s*=(?!=)|\bphase:\s*['"](?:Pending|Scheduled|Instantiating|Ready|Running|Collecting|Grading|Stopping|Stopped|Archived|Terminated)['"]/.test(line)).map((line) => `${path}: ${line.trim()}`);
}

describe('no phase of a session changes but by a row of the table', () => {
  test('`take` is the only place in the sources that writes the phase of a session', () => {
    // Other things have phases of their own, in files that know nothing of sessions; workers have theirs, and are counted by sessions.
    const knowSessions = sources.filter((path) => !/^src\/controllers\/(worker|scaler)\//.test(path)).filter((path) => /labletsession|SessionStatus|core\/session/i.test(readFileSync(join(root, path), 'utf8')) || path.startsWith('src/core/session'));
    expect(knowSessions.length).toBeGreaterThan(20);
    expect(knowSessions.flatMap(writersOfPhase)).toEqual(['src/core/session/effects.ts: s.draft.phase = to;']);
  });

  test('what is not a row cannot be taken', () => {
    const because = { reason: 'Trick', message: 'A trick.', actor: 'user' };
    for (const from of SESSION_PHASES) {
      const story = sessionAt(from);
      for (const to of SESSION_PHASES) {
        for (let number = 0; number <= 21; number++) {
          const row = `T${number}` as RowId;
          if (TABLE.some((known) => known.row === row && known.from === from && known.to === to)) continue;
          const s = situation(story.session, story.world, story.now);
          expect(() => take(s, { row, from, to }, because)).toThrow(`there is no row ${row}`);
          expect(s.draft).toEqual(story.status);
        }
      }
    }
  });

  test('a row cannot be taken from another phase than its own', () => {
    const { session, world, now } = sessionAt('Running');
    expect(() => take(situation(session, world, now), { row: 'T9', from: 'Ready', to: 'Running' }, { reason: 'UserStarted', message: '', actor: 'lds' })).toThrow('T9 starts at Ready, the session is Running');
  });

  test('every live phase has a way out, and none leads out of Terminated', () => {
    for (const phase of SESSION_PHASES) expect(TABLE.some(({ from }) => from === phase)).toBe(phase !== 'Terminated');
  });
});
