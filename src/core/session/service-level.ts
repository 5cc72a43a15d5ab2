/**
 * What one transition says about the service that a candidate gets (docs/observability.md, "Service levels"): was the
 * lab there when the slot began, how much of the slot was lost, how long did the result take. Pure.
 */
import { fromTime, plus } from '../time.ts';
import type { HistoryEntry } from '../../api/outbox.ts';
import type { Ending, LabletSession } from '../../api/labletsession.ts';

/**
 * How a booked slot began. `on_time`: Ready by its start. `late`: Ready after it. `missed`: never Ready. `short_notice`:
 * not Ready by its start, and booked so late that nobody could promise it.
 */
export const STARTS = ['on_time', 'late', 'missed', 'short_notice'] as const;
/** What took time of a slot from the candidate. `broken_off`: worker or lab were lost, or a drain ended the work. */
export const LOSSES = ['late_start', 'no_start', 'broken_off'] as const;

export interface ServiceFacts {
  start?: (typeof STARTS)[number];
  lost?: { cause: (typeof LOSSES)[number]; seconds: number };
  /** Seconds from the end of the work to the result. */
  gradedAfter?: number;
  /** How the session ended, in the transition that ended it. */
  ending?: Ending;
}

const BEFORE_READY: ReadonlySet<string | undefined> = new Set(['Pending', 'Scheduled', 'Instantiating']);
const AT_WORK: ReadonlySet<string | undefined> = new Set(['Ready', 'Running']);
const ENDS: ReadonlySet<string> = new Set(['Stopping', 'Collecting', 'Terminated']);

/**
 * @param session as it was stored with the transition
 * @param entry the transition in its history
 * @param gate milliseconds before a start from which on a worker is sought (schedulingGate): a later booking is short notice
 */
export function serviceFacts(session: LabletSession, entry: HistoryEntry, gate: number): ServiceFacts {
  const { status = {} } = session;
  const at = new Date(entry.at);
  const start = session.spec.timeslot?.start === undefined ? undefined : fromTime(status.timeslot?.start);
  const end = fromTime(status.timeslot?.end);
  const failed = status.ending === 'Failed' || status.ending === 'SlotEnded';
  const facts: ServiceFacts = {};
  if (start && end && (entry.row === 'T6' || (BEFORE_READY.has(entry.from) && ENDS.has(entry.to) && failed))) {
    const isShortNotice = new Date(session.metadata.creationTimestamp) > plus(start, -gate);
    const missed = entry.row !== 'T6';
    if (!missed && at <= start) facts.start = 'on_time';
    else if (isShortNotice) facts.start = 'short_notice';
    else {
      facts.start = missed ? 'missed' : 'late';
      facts.lost = { cause: missed ? 'no_start' : 'late_start', seconds: seconds(start, missed || at > end ? end : at) };
    }
  }
  const isBrokenOff = (entry.to === 'Terminated' && failed) || entry.reason === 'DrainTimeout';
  if (end && AT_WORK.has(entry.from) && ENDS.has(entry.to) && isBrokenOff) facts.lost = { cause: 'broken_off', seconds: seconds(start && start > at ? start : at, end) };
  const ended = fromTime(status.endedAt);
  if (entry.row === 'T15' && ended) facts.gradedAfter = seconds(ended, at);
  if (entry.to === 'Terminated') facts.ending = status.ending ?? 'Failed';
  return facts;
}

const seconds = (from: Date, to: Date): number => Math.max(0, (to.getTime() - from.getTime()) / 1000);
