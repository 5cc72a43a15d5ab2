/** A session as the calendar sees it: for how long it holds capacity, whether it was admitted, and what it is told where there is no room (contract §3a). */
import { getCondition } from './conditions.ts';
import { fromTime, latest, plus } from './time.ts';
import { holdsCapacity } from './worker-capacity.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { Booking, Nearest } from './calendar.ts';
import type { DefinitionDurations } from './definition.ts';
import type { Demand } from './scheduling.ts';

/** After the end of the slot a session may still be collected, graded and torn down: 10, 30 and 10 min. */
export const AFTER_SLOT = 50 * 60_000;

/** What the calendar asks about the version of a session. `scale`: TIME_SCALE. */
export interface BookingTerms {
  readonly demand: Demand;
  readonly durations: DefinitionDurations;
  readonly scale: number;
}

/**
 * What the session holds, or asks for. Bound: from its placement to when it will have given its worker back. Booked:
 * its slot with bootLeadTime before and 50 min after. As soon as possible: as if it began now.
 */
export function bookingOf(session: LabletSession, { demand, durations, scale }: BookingTerms, now: Date): Booking {
  const { metadata: { uid: key, creationTimestamp }, status } = session;
  const { bootLeadTime, maxDuration } = durations;
  const start = fromTime(status?.timeslot?.start ?? session.spec.timeslot?.start);
  const end = fromTime(status?.timeslot?.end ?? session.spec.timeslot?.end) ?? (start && plus(start, maxDuration));
  const after = AFTER_SLOT / scale;
  if (holdsCapacity(status?.phase)) {
    const from = fromTime(status?.scheduledAt) ?? now;
    const until = end ?? plus(from, bootLeadTime + maxDuration);
    const ended = fromTime(status?.endedAt);
    const to = plus(ended && ended < until ? ended : until, after);
    return { key, demand, kind: 'soon', lead: bootLeadTime, hold: { from: from.getTime(), to: to.getTime() } };
  }
  if (start && end && start > (latest(new Date(creationTimestamp), status?.reschedules ? now : undefined) ?? now)) {
    return { key, demand, kind: 'booked', lead: bootLeadTime, hold: { from: start.getTime() - bootLeadTime, to: end.getTime() + after } };
  }
  return { key, demand, kind: 'soon', lead: bootLeadTime, hold: { from: now.getTime(), to: (end ?? plus(now, bootLeadTime + maxDuration)).getTime() + after } };
}

/** Why the condition Admitted says what it says. */
export const ADMISSION = {
  /** The calendar holds the booking. */
  admitted: 'CapacityBooked',
  noRoom: 'NoCapacityInSlot',
  /** It was admitted, and the capacity is gone since. It comes before all that is not admitted. */
  lost: 'CapacityLost',
} as const;

/** Was the session promised its capacity? An extension that was refused takes nothing from what was promised. */
export function isAdmitted(session: LabletSession): boolean {
  const condition = getCondition(session.status, 'Admitted');
  return condition !== undefined && (condition.status === 'True' || condition.reason !== ADMISSION.noRoom);
}

/** Is this a slot that could be booked at all? One that is not is refused at T0, whatever room there is. */
export function isBookable({ hold, lead, kind }: Booking, { durations: { maxDuration }, scale }: BookingTerms, now: Date): boolean {
  const length = hold.to - hold.from - lead - AFTER_SLOT / scale;
  return kind === 'soon' ? hold.to > now.getTime() + AFTER_SLOT / scale : length > 0 && length <= maxDuration;
}

/** What is said where there is no room, with what would fit. */
export function noRoomMessage({ hold, lead, kind }: Booking, nearest: Nearest, { scale }: Pick<BookingTerms, 'scale'>, servable: boolean): string {
  if (!servable) return 'No worker and no WorkerTemplate could serve it even if nothing else were booked. Compare the definition (resources, nodes, images, licenseAffinity) with the templates.';
  const start = hold.from + lead;
  const slot = kind === 'soon' ? 'now' : `from ${clockTime(start)} to ${clockTime(hold.to - AFTER_SLOT / scale, start)} (UTC)`;
  const { before, after } = nearest;
  const starts = [...(before === undefined ? [] : [before]), ...(after === undefined ? [] : [after])].map((at) => clockTime(at)).join(' and ');
  const help = starts === '' ? 'No slot of this length has room within two weeks: raise maxWorkers of a WorkerTemplate, or add a Worker.' : `The nearest slots with room begin at ${starts} (UTC).`;
  return `The capacity is booked ${slot}. ${help}`;
}

/** `2026-11-24 10:15`; without the day where it is that of `on`. */
export function clockTime(at: number, on?: number): string {
  const text = new Date(at).toISOString();
  const [day, time] = [text.slice(0, 10), text.slice(11, at % 60_000 === 0 ? 16 : 19)];
  return on !== undefined && new Date(on).toISOString().startsWith(day) ? time : `${day} ${time}`;
}
