/**
 * The calendar of the leader: built from the caches once, kept up to date with each change, asked by the session's pass
 * before it admits and by the scheduler before it places. What it holds for an admission that is being written is its
 * assumed state; everything else stands in the conditions of the sessions, so that a restart finds it again.
 */
import { ANNOTATIONS } from '../../api/group.ts';
import { isDeleting, objectKey } from '../../api/meta.ts';
import { AFTER_SLOT, bookingOf, isAdmitted, isBookable, noRoomMessage } from '../../core/booking.ts';
import { SLICE, buildCalendar } from '../../core/calendar.ts';
import { getCondition } from '../../core/conditions.ts';
import { definitionDurations } from '../../core/definition.ts';
import { fitsEmpty } from '../../core/scaling.ts';
import { fromTime } from '../../core/time.ts';
import { holdsCapacity } from '../../core/worker-capacity.ts';
import { DemandCache, keptBy } from '../worker/snapshot.ts';
import { fleetOf } from './fleet.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Worker, WorkerTemplate } from '../../api/worker.ts';
import type { BookingTerms } from '../../core/booking.ts';
import type { Booking, Calendar, Fleet } from '../../core/calendar.ts';
import type { DefinitionDurations, PinnedDefinition } from '../../core/definition.ts';
import type { Demand } from '../../core/scheduling.ts';
import type { Bookings, Deps } from '../deps.ts';

type CalendarDeps = Pick<Deps, 'caches' | 'clock' | 'settings' | 'revisions'>;

/** A session that waits as soon as possible holds room from now on: it is moved along in steps of this. Milliseconds, scaled. */
const SLIDE = 5 * 60_000;
/** A calendar that is so many changes behind is built anew. */
const BEHIND_MAX = 50_000;
/** How long a read of versions may take. */
const READ_MS = 30_000;

export class BookingCalendar implements Bookings {
  readonly demands: DemandCache;
  /** Changes with the hosts that can be counted on. */
  fleetRevision = 0;
  private readonly deps: CalendarDeps;
  private calendar: Calendar | undefined;
  private fleet: Fleet = { workers: [], templates: [] };
  private fleetUntil: Date | undefined;
  private fleetChanged = true;
  private readonly sessionsChanged = new Map<string, string>();
  private readonly labsChanged = new Set<string>();
  private syncing: Promise<void> | undefined;
  /** Of the fleet as it is. */
  private boots = new WeakMap<Demand, number>();
  private readonly durations = new WeakMap<PinnedDefinition, DefinitionDurations>();

  constructor(deps: CalendarDeps) {
    this.deps = deps;
    this.demands = new DemandCache(deps);
    const { sessions, workers, templates, labs } = deps.caches;
    sessions.onChange((old, next) => {
      const session = next ?? old;
      if (session && (!old || !next || sessionView(old) !== sessionView(next))) this.note(session);
    });
    workers.onChange((old, next) => { if (!old || !next || workerView(old) !== workerView(next)) this.fleetChanged = true; });
    templates.onChange((old, next) => { if (!old || !next || templateView(old) !== templateView(next)) this.fleetChanged = true; });
    labs.onChange((old, next) => { for (const lab of [old, next]) if (lab && labView(old) !== labView(next)) this.labsChanged.add(lab.spec.workerName); });
  }

  /** Nobody asks a replica that does not lead: it forgets rather than keep a list of all that has changed since it did. */
  private note(session: LabletSession): void {
    if (!this.calendar && !this.syncing) return;
    if (this.sessionsChanged.size >= BEHIND_MAX && !this.syncing) {
      this.calendar = undefined;
      this.sessionsChanged.clear();
    } else this.sessionsChanged.set(session.metadata.uid, objectKey(session));
  }

  /** The calendar with all that the caches show by now. */
  async ready(): Promise<Calendar> {
    while (!this.calendar || this.isBehind()) {
      this.syncing ??= this.sync().finally(() => { this.syncing = undefined; });
      await this.syncing;
    }
    return this.calendar;
  }

  /**
   * Holds what a session asks for that is about to be admitted, or wants a later end.
   * @returns why there is no room, with what would fit; undefined: it is held, or nothing is asked
   */
  async noRoom(session: LabletSession, definition: PinnedDefinition): Promise<string | undefined> {
    const asksLater = later(session);
    if (session.status?.phase !== undefined && !asksLater) return undefined;
    const calendar = await this.ready();
    const now = this.deps.clock.now();
    const terms = this.termsOf(definition);
    const booking = bookingOf(session, terms, now);
    if (asksLater) return this.extend(calendar, session, booking, terms, asksLater, now);
    if (!isBookable(booking, terms, now) || calendar.admit(booking, now.getTime())) return undefined;
    return this.explain(booking, terms, now);
  }

  /** What is said to a session that the calendar has no room for. */
  explain(booking: Booking, terms: BookingTerms, now: Date): string {
    return noRoomMessage(booking, this.calendar?.nearest(booking, now.getTime()) ?? {}, terms, this.isServable(booking.demand));
  }

  /** What a session with a pinned version asks for; undefined: its version is not known. */
  bookingOf(session: LabletSession, now: Date): { booking: Booking; terms: BookingTerms } | undefined {
    const definition = this.demands.definition(session);
    if (!definition) return undefined;
    const terms = this.termsOf(definition);
    return { booking: bookingOf(session, terms, now), terms };
  }

  /** How long before its start a session must be looked for a worker: until the slowest host that could be made for it has booted (contract §3.1). */
  slowestBoot(demand: Demand): number {
    const known = this.boots.get(demand);
    if (known !== undefined) return known;
    const { workers, templates } = this.fleet;
    const sources = [...templates.filter(({ room }) => room > 0), ...workers.filter(({ state }) => state === 'down')];
    const slowest = Math.max(0, ...sources.filter(({ facts }) => fitsEmpty(facts, demand)).map(({ leadTime }) => leadTime));
    this.boots.set(demand, slowest);
    return slowest;
  }

  private isServable(demand: Demand): boolean {
    const { workers, templates } = this.fleet;
    return [...workers, ...templates].some(({ facts }) => fitsEmpty(facts, demand));
  }

  private termsOf(definition: PinnedDefinition): BookingTerms {
    const { scale } = this.deps.settings;
    const known = this.durations.get(definition) ?? definitionDurations(definition.spec, scale);
    this.durations.set(definition, known);
    return { demand: this.demands.of(definition), durations: known, scale };
  }

  private extend(calendar: Calendar, session: LabletSession, booking: Booking, { durations, scale }: BookingTerms, asked: Date, now: Date): string | undefined {
    const booked = fromTime(session.status?.timeslot?.bookedEnd);
    if (!booked || asked.getTime() - booked.getTime() > durations.maxExtension || !calendar.find(booking.key)) return undefined;
    const longer = { ...booking, hold: { from: booking.hold.from, to: asked.getTime() + AFTER_SLOT / scale } };
    return calendar.admit(longer, now.getTime()) ? undefined : `There is no room to extend the slot to ${asked.toISOString()}: the capacity is booked by then. It still ends at ${session.status?.timeslot?.end ?? 'its booked end'}.`;
  }

  private isBehind(): boolean {
    return this.fleetChanged || this.sessionsChanged.size > 0 || this.labsChanged.size > 0 || (this.fleetUntil !== undefined && this.fleetUntil <= this.deps.clock.now());
  }

  private async sync(): Promise<void> {
    const { caches, clock } = this.deps;
    const signal = AbortSignal.timeout(READ_MS);
    const first = !this.calendar;
    const changed = [...this.sessionsChanged].map(([uid, key]) => ({ uid, key, session: caches.sessions.get(key) }));
    for (const session of first ? caches.sessions.list() : changed.flatMap(({ session: known }) => known ?? [])) if (concerns(session)) await this.demands.ensure(session, signal);
    // From here on nothing waits: what has changed meanwhile is looked at in the next round.
    const now = clock.now();
    if (this.fleetChanged || first || (this.fleetUntil && this.fleetUntil <= now)) {
      this.fleetChanged = false;
      const { fleet, until } = fleetOf(this.deps, this.demands, now);
      this.fleet = fleet;
      this.fleetUntil = until;
      this.fleetRevision += 1;
      this.boots = new WeakMap();
      this.calendar?.setFleet(fleet, now.getTime());
      // A worker that counts again: what is bound to it is there still.
      for (const session of caches.sessions.list()) if (holdsCapacity(session.status?.phase) && this.calendar?.find(session.metadata.uid) === undefined) this.sessionsChanged.set(session.metadata.uid, objectKey(session));
    }
    // What came in while it was read is in the list of changes: it is followed next.
    this.calendar ??= this.build(now);
    if (first) return;
    for (const { uid, key, session } of changed) {
      if (caches.sessions.get(key) !== session) continue;
      this.sessionsChanged.delete(uid);
      this.follow(this.calendar, uid, session, now);
    }
    for (const worker of this.labsChanged) this.calendar.setKept(worker, keptBy(this.deps, worker), now.getTime());
    this.labsChanged.clear();
    this.calendar.forget(now.getTime());
  }

  private build(now: Date): Calendar {
    const known = this.deps.caches.sessions.list().filter(concerns).flatMap((session) => {
      const asked = this.bookingOf(session, now);
      return asked ? [{ session, booking: asked.booking }] : [];
    });
    return buildCalendar({
      now: now.getTime(), fleet: this.fleet, slice: SLICE / this.deps.settings.scale,
      bound: known.flatMap(({ session, booking }) => (holdsCapacity(session.status?.phase) && session.status?.workerName ? [{ booking, worker: session.status.workerName }] : [])),
      admitted: known.filter(({ session }) => session.status?.phase === 'Pending' && isAdmitted(session)).sort(byAdmission).map(({ booking }) => booking),
    });
  }

  /** Brings what the calendar holds for a session up to what the session is. */
  private follow(calendar: Calendar, uid: string, session: LabletSession | undefined, now: Date): void {
    if (session?.metadata.uid !== uid || !concerns(session)) {
      // A session without a phase is being admitted: what it was promised stays.
      if (session?.metadata.uid !== uid || session.status?.phase !== undefined || isDeleting(session)) calendar.release(uid);
      return;
    }
    const asked = this.bookingOf(session, now);
    if (!asked) return;
    const { booking } = asked;
    const { phase, workerName } = session.status ?? {};
    if (phase === 'Pending') {
      if (!isAdmitted(session)) return;
      if (!this.slides(calendar, booking) && calendar.find(uid)) return;
      if (!calendar.admit(booking, now.getTime())) calendar.promised(booking);
    } else if (workerName !== undefined) calendar.bind(booking, workerName, now.getTime());
  }

  /** Is it time to move along what waits as soon as possible, or was its interval changed? */
  slides(calendar: Calendar, { key, kind, hold }: Booking): boolean {
    const held = calendar.holds(key);
    if (!held) return true;
    return kind === 'booked' ? held.from !== hold.from || held.to !== hold.to : hold.from - held.from > SLIDE / this.deps.settings.scale;
  }
}

/** Does the session hold or claim capacity? */
function concerns(session: LabletSession): boolean {
  const { phase } = session.status ?? {};
  if (phase === 'Pending') return !isDeleting(session) && session.spec.desiredState === 'Active';
  return holdsCapacity(phase);
}

/** A later end than the one in force. */
function later({ spec, status }: LabletSession): Date | undefined {
  const asked = fromTime(spec.timeslot?.end);
  const end = fromTime(status?.timeslot?.end);
  return asked && end && asked > end ? asked : undefined;
}

const admittedAt = (session: LabletSession): string => getCondition(session.status, 'Admitted')?.lastTransitionTime ?? '';

/** In the order of admission; what was admitted in the same second in the order of creation. */
function byAdmission({ session: a }: { session: LabletSession }, { session: b }: { session: LabletSession }): number {
  const rank = (session: LabletSession): string => `${admittedAt(session)}/${session.metadata.creationTimestamp}/${session.metadata.uid}`;
  return rank(a) < rank(b) ? -1 : 1;
}

const sessionView = ({ metadata, spec, status }: LabletSession): string =>
  `${status?.phase ?? ''}/${status?.workerName ?? ''}/${status?.timeslot?.end ?? ''}/${status?.endedAt ?? ''}/${status?.reschedules ?? 0}/${metadata.deletionTimestamp ?? ''}/${spec.desiredState}/${JSON.stringify(getCondition(status, 'Admitted')?.reason)}`;

const workerView = ({ metadata, spec, status }: Worker): string =>
  JSON.stringify([metadata.generation, metadata.deletionTimestamp, spec.desiredState, status?.phase, status?.conditions?.find(({ type }) => type === 'Schedulable')?.status, status?.unreachableSince, status?.license, status?.cmlVersion, status?.imageName, status?.nodeDefinitions?.length, status?.foreignPorts?.length, status?.nestedVirtualization]);

const templateView = ({ metadata, status }: WorkerTemplate): string => JSON.stringify([metadata.generation, metadata.deletionTimestamp, metadata.annotations?.[ANNOTATIONS.paused], status?.boots?.at(-1)]);

const labView = (lab: Lab | undefined): string => (lab ? (lab.spec.sessionRef?.uid ?? '') : 'none');
