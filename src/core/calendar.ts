/**
 * The calendar (contract §3a): which bookings can be held by the capacity that can exist at their time. Every admitted
 * booking has a column, which is a worker, or one that a template may still make, and in no column is more promised at
 * any time than the host has. A column says where there would be room; which worker a session gets is decided when its
 * time has come (src/core/scheduling.ts), and only where all the promises of that worker can still be kept.
 *
 * Deterministic: the same calls give the same columns. Times are milliseconds since the epoch.
 */
import { ServiceOrder, amountsOf, byTime, capacityOf, classKey, fitOf, isSame, readyFrom, successors } from './calendar-columns.ts';
import { Draft } from './calendar-draft.ts';
import { NOTHING, within } from './capacity-profile.ts';
import { fitsEmpty } from './scaling.ts';
import { SlotIndex } from './slot-index.ts';
import type { Booking, Column, Fit, Fleet, FleetWorker, Held } from './calendar-columns.ts';
import type { Amounts, Interval } from './capacity-profile.ts';
import type { Demand } from './scheduling.ts';
import type { DemandClass } from './slot-index.ts';

export type { Booking, Fit, Fleet, FleetTemplate, FleetWorker } from './calendar-columns.ts';

/** Start times of the nearest slots of the same length that have room. */
export interface Nearest {
  readonly before?: number;
  readonly after?: number;
}

/** Slots are proposed at multiples of this. */
export const SLICE = 15 * 60_000;
/** How far away a slot is proposed at most, in slices: two weeks. */
const HORIZON = 14 * 24 * 4;

export class Calendar {
  /** Changes whenever capacity was added or given back: a booking that was refused may fit now. */
  freed = 0;
  private columns: Column[] = [];
  private byWorker = new Map<string, Column>();
  private index: SlotIndex;
  private service = new ServiceOrder([]);
  private readonly held = new Map<string, Held>();
  private readonly without = new Map<string, Booking>();
  private readonly slice: number;

  /** @param slice milliseconds; a smaller one where the clock of the domain runs faster */
  constructor(slice: number = SLICE) {
    this.slice = slice;
    this.index = new SlotIndex([], slice);
  }

  /** Where the booking has its room, or would have it. */
  fits(booking: Booking, now: number): Fit | undefined {
    const found = this.columnFor(booking, now);
    return found && fitOf(found);
  }

  /** Holds the booking, where it fits. One that is held already moves to its new interval, or stays as it was; one that is bound never leaves its worker. */
  admit(booking: Booking, now: number): Fit | undefined {
    const before = this.held.get(booking.key);
    if (before && sameHold(before.booking, booking)) return fitOf(before.column);
    const found = this.columnFor(booking, now);
    if (!found) return undefined;
    if (before) this.drop(before);
    this.without.delete(booking.key);
    this.hold(booking, found, before?.bound ?? false);
    return fitOf(found);
  }

  /** A session is bound to a worker: it holds it whatever else was promised there. What no longer fits beside it is moved. */
  bind(booking: Booking, worker: string, now: number): void {
    const column = this.byWorker.get(worker);
    const before = this.held.get(booking.key);
    if (before?.bound && before.column === column && sameHold(before.booking, booking)) return;
    if (before) this.drop(before);
    this.without.delete(booking.key);
    if (!column) return;
    this.hold(booking, column, true);
    this.relieve(column, now);
  }

  /** Gives back what the booking holds. */
  release(key: string): void {
    this.without.delete(key);
    const held = this.held.get(key);
    if (!held) return;
    this.drop(held);
    this.freed += 1;
  }

  /** Where an admitted booking has its room. */
  find(key: string): Fit | undefined {
    const held = this.held.get(key);
    return held && fitOf(held.column);
  }

  holds(key: string): Interval | undefined {
    return this.held.get(key)?.booking.hold;
  }

  /** Admitted bookings whose capacity has vanished, and that fit nowhere else. */
  lost(): Booking[] {
    return [...this.without.values()];
  }

  /** An admitted booking for which there is no room now: it comes before all new ones. */
  promised(booking: Booking): void {
    if (!this.held.has(booking.key)) this.without.set(booking.key, booking);
  }

  /** Finds room again for what was lost. @returns the keys of those that have it */
  regain(now: number): string[] {
    return [...this.without.values()].filter((booking) => this.admit(booking, now)).map(({ key }) => key);
  }

  /**
   * The nearest slots that fit, at multiples of a quarter of an hour, up to two weeks away: none before now.
   * @param booking as it was refused
   */
  nearest(booking: Booking, now: number): Nearest {
    const { slice } = this;
    const known = this.classOf(booking.demand);
    const { lead, hold } = booking;
    const start = hold.from + lead;
    const [first, last] = [Math.floor(-lead / slice), Math.ceil((hold.to - start) / slice) - 1];
    const look = (from: number, step: 1 | -1): number | undefined => {
      const found = this.index.nearest(known, from + first, last - first + 1, step, HORIZON, (at) => {
        const begins = (at - first) * slice - lead;
        return begins < now ? undefined : this.service.from(begins, booking.kind, now);
      });
      return found === undefined ? undefined : (found - first) * slice;
    };
    // Looking forward begins where the first hold is not in the past.
    const after = look(Math.floor(Math.max(start, Math.ceil((now + lead) / slice) * slice - 1) / slice), 1);
    const before = look(Math.ceil(start / slice), -1);
    return { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
  }

  /** For one that has waited long: holds the earliest room that comes free by `latest`, so that nobody smaller takes it bit by bit (contract §3.2). */
  reserve(booking: Booking, now: number, latest: number): number | undefined {
    const { hold, kind } = booking;
    for (let from = now; from <= latest; from += this.slice / 3) {
      const later = { ...booking, hold: { from, to: kind === 'soon' ? from + (hold.to - hold.from) : hold.to } };
      if (this.admit(later, now)) return from;
    }
    return undefined;
  }

  /** All that is promised, host by host: those that templates may still make, too. */
  promises(): (Fit & { capacity: Amounts; bookings: Booking[] })[] {
    return this.columns.map((column) => ({ ...fitOf(column), capacity: column.capacity, bookings: [...column.held.values()].map(({ booking }) => booking).sort(byTime) }));
  }

  /** A copy to place sessions on: what is placed there changes nothing here. */
  draft(): Draft {
    return new Draft(this.byWorker, this.held, this.columns.filter(({ worker, held }) => worker === undefined && held.size === 0));
  }

  /** Labs without a claim came to a worker or left it: what they hold is not there for bookings. */
  setKept(worker: string, kept: FleetWorker['kept'], now: number): void {
    const column = this.byWorker.get(worker);
    if (!column) return;
    const capacity = capacityOf(column.facts, kept);
    if (within(capacity, column.capacity, NOTHING) && within(column.capacity, capacity, NOTHING)) return;
    if (!within(column.capacity, capacity, NOTHING)) this.freed += 1;
    column.capacity = capacity;
    this.index.recount(column.at);
    this.relieve(column, now);
  }

  /** Is there room on the worker from now on for what is held without end: a lab of the warm pool? */
  hasSpare(worker: string, { resources, portCount }: Demand, now: number): boolean {
    const column = this.byWorker.get(worker);
    return column !== undefined && column.profile.fits({ from: now, to: Infinity }, [0, 0, Math.ceil(resources.storage), 0, portCount], column.capacity);
  }

  /** Forgets what lies in the past. */
  forget(now: number): void {
    this.index.forget(now);
  }

  /**
   * The hosts as they are now. A new worker takes over from a column of its template that was to be made, the one that
   * is needed first; a worker that is gone leaves its promises to a new one of its template. What has no column then is
   * moved to another, or lost.
   */
  setFleet(fleet: Fleet, now: number): void {
    const next = successors(this.columns, fleet);
    if (this.columns.length === next.length && next.every((column, at) => isSame(column, this.columns[at]))) return;
    this.adopt(next, now);
  }

  private adopt(next: Column[], now: number): void {
    const moving: Booking[] = [];
    const successor = new Map(next.map((column, at) => {
      column.at = at;
      return [column.held, column];
    }));
    for (const held of this.held.values()) {
      const column = successor.get(held.column.held);
      if (column && !(held.bound && column.worker === undefined)) held.column = column;
      else {
        // A session that was bound to a worker that is gone holds nothing any more.
        held.column.held.delete(held.booking.key);
        this.held.delete(held.booking.key);
        held.column.profile.remove(held.booking.hold, held.amounts);
        if (!held.bound) moving.push(held.booking);
      }
    }
    this.columns = next;
    this.byWorker = new Map(next.flatMap((column) => (column.worker === undefined ? [] : [[column.worker, column]])));
    this.index = new SlotIndex(next, this.slice);
    this.service = new ServiceOrder(next);
    for (const held of this.held.values()) this.index.changed(held.column.at, held.booking.hold);
    for (const booking of moving.sort(byTime)) this.promised(booking);
    for (const column of next) this.relieve(column, now);
    this.regain(now);
    this.freed += 1;
  }

  /** Moves promises away from a column until it can keep the others: the latest to start first. */
  private relieve(column: Column, now: number): void {
    for (let over = column.profile.overCapacity(column.capacity); over; over = column.profile.overCapacity(column.capacity)) {
      const { from } = over;
      const movable = [...column.held.values()].filter(({ bound, booking: { hold } }) => !bound && hold.from <= from && hold.to > from).sort((a, b) => byTime(b.booking, a.booking))[0];
      if (!movable) return;
      this.drop(movable);
      this.promised(movable.booking);
      this.admit(movable.booking, now);
    }
  }

  private columnFor(booking: Booking, now: number): Column | undefined {
    const before = this.held.get(booking.key);
    const amounts = amountsOf(booking.demand);
    if (before && readyFrom(before.column, now) <= (booking.kind === 'soon' ? Infinity : booking.hold.from)
      && before.column.profile.fits(booking.hold, amounts, before.column.capacity, { hold: before.booking.hold, amounts: before.amounts })) return before.column;
    if (before?.bound) return undefined;
    const found = this.index.find(this.classOf(booking.demand), booking.hold, this.service.from(booking.hold.from, booking.kind, now));
    return found === undefined ? undefined : this.columns[found];
  }

  private classOf(demand: Demand): DemandClass {
    return this.index.classOf(classKey(demand), amountsOf(demand), (at) => fitsEmpty((this.columns[at] as Column).facts, demand));
  }

  private hold(booking: Booking, column: Column, bound: boolean): void {
    const held: Held = { booking, amounts: amountsOf(booking.demand), column, bound };
    this.held.set(booking.key, held);
    column.held.set(booking.key, held);
    column.profile.add(booking.hold, held.amounts);
    this.index.changed(column.at, booking.hold);
  }

  private drop({ booking, amounts, column }: Held): void {
    this.held.delete(booking.key);
    column.held.delete(booking.key);
    column.profile.remove(booking.hold, amounts);
    this.index.changed(column.at, booking.hold);
  }
}

/** A calendar of what is known: sessions that are bound first, then what was admitted, in the order of admission. What finds no room then is tried in the order of time. */
export function buildCalendar(known: {
  readonly now: number;
  readonly fleet: Fleet;
  readonly bound: readonly { readonly booking: Booking; readonly worker: string }[];
  readonly admitted: readonly Booking[];
  readonly slice?: number;
}): Calendar {
  const attempt = (admitted: readonly Booking[]): Calendar => {
    const calendar = new Calendar(known.slice);
    calendar.setFleet(known.fleet, known.now);
    for (const { booking, worker } of known.bound) calendar.bind(booking, worker, known.now);
    for (const booking of admitted) if (!calendar.admit(booking, known.now)) calendar.promised(booking);
    return calendar;
  };
  const first = attempt(known.admitted);
  if (first.lost().length === 0) return first;
  const again = attempt(known.admitted.toSorted(byTime));
  return again.lost().length < first.lost().length ? again : first;
}

const sameHold = (a: Booking, b: Booking): boolean => a.hold.from === b.hold.from && a.hold.to === b.hold.to && classKey(a.demand) === classKey(b.demand);
