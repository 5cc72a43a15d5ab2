/** The sessions that wait for a worker: which of them it is time for, and whether the calendar holds their room. */
import { isDeleting, objectKey } from '../../api/meta.ts';
import { ADMISSION, isAdmitted } from '../../core/booking.ts';
import { isTrue } from '../../core/conditions.ts';
import { queueOrder } from '../../core/scheduling.ts';
import { heldBack } from '../../core/session/situation.ts';
import { earliest, fromTime, plus } from '../../core/time.ts';
import { INDEX } from '../deps.ts';
import { admittedNow, notAdmitted } from './explain.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Lab } from '../../api/lab.ts';
import type { BookingTerms } from '../../core/booking.ts';
import type { Booking, Calendar } from '../../core/calendar.ts';
import type { ConditionUpdate } from '../../core/conditions.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Deps } from '../deps.ts';

/** A session that waits so long may reserve the next room that comes free (contract §3.2). Milliseconds, scaled. */
const RESERVES_AFTER = 10 * 60_000;

export interface WaitingSession {
  key: string;
  session: LabletSession;
  definition: PinnedDefinition;
  booking: Booking;
  terms: BookingTerms;
  start: Date | undefined;
  created: Date;
  /** When it is looked for a worker; undefined: at once. */
  gate: Date | undefined;
  /** What its condition Admitted has to say now, where that is something else. */
  admission?: ConditionUpdate;
}

/** Pending sessions, in the order of the queue. */
export class WaitingList {
  private readonly deps: Deps;
  /** What was found for an object as it stands in the cache: a booking far ahead costs nothing more until its time. */
  private readonly known = new WeakMap<LabletSession, { gate: number; revision: number }>();
  private freed = -1;

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** All that need a look now; and when the next gate opens. */
  collect(held: Calendar, now: Date): { waiting: WaitingSession[]; openAt: Date | undefined } {
    const { calendar, caches } = this.deps;
    const lost = new Set(held.lost().map(({ key }) => key));
    let openAt: Date | undefined;
    const waiting: WaitingSession[] = [];
    for (const session of caches.sessions.byIndex(INDEX.sessionsByPhase, 'Pending')) {
      if (isDeleting(session) || session.spec.desiredState !== 'Active' || heldBack(session)) continue;
      const known = this.known.get(session);
      if (known?.revision === calendar.fleetRevision && known.gate > now.getTime() && !lost.has(session.metadata.uid)) {
        openAt = earliest(openAt, new Date(known.gate));
        continue;
      }
      const found = this.look(session, now);
      if (!found) continue;
      if (found.gate && found.gate > now) {
        openAt = earliest(openAt, found.gate);
        // One that is not sure of its room is looked at each time.
        if (isTrue(session.status, 'Admitted')) this.known.set(session, { gate: found.gate.getTime(), revision: calendar.fleetRevision });
      }
      waiting.push(found);
    }
    return { waiting: waiting.sort(queueOrder), openAt };
  }

  private look(session: LabletSession, now: Date): WaitingSession | undefined {
    const { calendar, settings } = this.deps;
    const asked = calendar.bookingOf(session, now);
    const definition = calendar.demands.definition(session);
    if (!asked || !definition) return undefined;
    const { booking, terms } = asked;
    const start = fromTime(session.status?.timeslot?.start);
    const before = (): number => Math.max(settings.timeouts.schedulingGate, calendar.slowestBoot(booking.demand) + booking.lead);
    return { key: objectKey(session), session, definition, booking, terms, start, created: new Date(session.metadata.creationTimestamp), gate: start && plus(start, -before()) };
  }

  /**
   * Finds room in the calendar for those that have none, in the order of the queue: first for what was promised and
   * lost, then, whenever capacity was given back, for those that were refused. Who has waited long reserves what comes
   * free next.
   */
  admit(calendar: Calendar, waiting: readonly WaitingSession[], now: Date): void {
    const at = now.getTime();
    const freed = calendar.freed !== this.freed;
    if (freed) calendar.regain(at);
    this.freed = calendar.freed;
    const lost = new Set(calendar.lost().map(({ key }) => key));
    for (const one of waiting) {
      const { session, booking, terms } = one;
      const { uid } = session.metadata;
      if (isAdmitted(session)) {
        if (lost.has(uid)) one.admission = notAdmitted(ADMISSION.lost, `The capacity that was booked is gone. ${this.deps.calendar.explain(booking, terms, now)}`);
        else {
          if (booking.kind === 'soon' && this.deps.calendar.slides(calendar, booking)) calendar.admit(booking, at);
          if (!isTrue(session.status, 'Admitted') && session.status?.conditions?.some(({ type, reason }) => type === 'Admitted' && reason === ADMISSION.lost)) one.admission = admittedNow;
        }
        continue;
      }
      if ((freed || calendar.find(uid)) && calendar.admit(booking, at) && this.isNow(calendar, booking)) {
        one.admission = admittedNow;
      } else if (this.mayReserve(one, now) && !calendar.find(uid)) calendar.reserve(booking, at, this.givenUpAt(one).getTime());
    }
  }

  /** Is it held for the time that it asks for, and not reserved for later? */
  private isNow(calendar: Calendar, { key, hold }: Booking): boolean {
    const held = calendar.holds(key);
    return held !== undefined && held.from <= hold.from;
  }

  private mayReserve({ gate, created, start }: WaitingSession, now: Date): boolean {
    const since = start && gate ? gate : created;
    return plus(since, RESERVES_AFTER / this.deps.settings.scale) <= now;
  }

  /** The limits of T2. */
  private givenUpAt({ start, created }: WaitingSession): Date {
    const { missedSlot, pendingAsap } = this.deps.settings.timeouts;
    return start ? plus(start, missedSlot) : plus(created, pendingAsap);
  }
}

/** The Lab that a session has claimed already: the other half of its commit was lost in a crash. More than one: the oldest counts. */
export function claimedLab({ caches }: Pick<Deps, 'caches'>, session: LabletSession): Lab | undefined {
  const [claimed] = caches.labs.byIndex(INDEX.labsBySession, session.metadata.uid).filter((lab) => !isDeleting(lab)).sort((a, b) => (a.metadata.creationTimestamp < b.metadata.creationTimestamp ? -1 : 1));
  return claimed;
}
