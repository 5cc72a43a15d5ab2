/** Are these events, in this order, those of a way through the transition table? */
import { TABLE } from '../../src/core/session/table.ts';
import type { HistoryEntry } from '../../src/api/outbox.ts';
import type { SessionPhase } from '../../src/api/labletsession.ts';

/** null: before admission. */
type Place = SessionPhase | null;

interface Way {
  readonly from: Place;
  readonly to: Place;
  readonly events: readonly string[];
}

/** A result that comes when the session has ended otherwise is stored, and told, where it stands (contract, §10.3 "late"). */
const LATE_RESULTS = (['Stopping', 'Stopped', 'Archived', 'Terminated'] as const).map((phase): Way => ({ from: phase, to: phase, events: ['ccm.lablet.score_report.created', 'ccm.lablet.session.graded'] }));
const WAYS: readonly Way[] = [...TABLE, ...LATE_RESULTS];

/**
 * Where a session can stand after it has told these events, all of them from its very first: more than one place, where
 * rows tell nothing (T18). Empty: no way through the table tells them.
 */
export function placesAfter(types: readonly string[]): ReadonlySet<Place> {
  const reached: Set<Place>[] = [new Set<Place>([null]), ...types.map(() => new Set<Place>())];
  for (const [told, places] of reached.entries()) {
    // The set grows while it is walked: rows without events lead on from here.
    for (const place of places) {
      for (const { from, to, events } of WAYS) {
        if (from === place && events.every((type, index) => types[told + index] === type)) reached[told + events.length]?.add(to);
      }
    }
  }
  return reached[types.length] ?? new Set();
}

/** The first entry of a history that is no row of the table or does not begin where the one before it ended. */
export function illegalEntry(history: readonly HistoryEntry[]): HistoryEntry | undefined {
  return history.find((entry, index) => {
    const isRow = TABLE.some(({ row, from, to }) => row === entry.row && from === (entry.from ?? null) && to === entry.to);
    return !isRow || (index > 0 && entry.from !== history[index - 1]?.to);
  });
}
