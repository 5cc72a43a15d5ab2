/** What placements of one round add to the promises of the calendar. */
import { amountsOf } from './calendar-columns.ts';
import { NOTHING, within } from './capacity-profile.ts';
import { fitsEmpty } from './scaling.ts';
import type { Column, Held } from './calendar-columns.ts';
import type { CapacityProfile, Interval } from './capacity-profile.ts';
import type { Demand } from './scheduling.ts';

/** What placements of one round add to the promises: a copy of each column that they touch. */
export class Draft {
  private readonly columns: ReadonlyMap<string, Column>;
  private readonly held: ReadonlyMap<string, Held>;
  private readonly touched = new Map<Column, CapacityProfile>();
  private readonly placed = new Set<string>();
  /** Hosts that could be made and that nobody has booked. */
  private readonly spare: Column[];
  /** Workers of which the later promises have gone to a spare host, and those promises. */
  private readonly cleared = new Set<Column>();
  private readonly gone = new Set<string>();

  constructor(columns: ReadonlyMap<string, Column>, held: ReadonlyMap<string, Held>, spare: Column[]) {
    this.columns = columns;
    this.held = held;
    this.spare = spare;
  }

  /**
   * Can the worker take the session through all of its hold, and keep what was promised to others? A booking that has its
   * room elsewhere may also take what is promised for later, as long as a host that nobody has booked can
   * still be made for that: so hosts are made when they are needed, and not a wave of bookings earlier.
   */
  room(worker: string, key: string, demand: Demand, hold: Interval): boolean {
    const column = this.columns.get(worker);
    if (!column) return true;
    const profile = this.touched.get(column) ?? column.profile;
    const own = this.ownOn(key, column);
    if (profile.empty || profile.fits(hold, amountsOf(demand), column.capacity, own && { hold: own.booking.hold, amounts: own.amounts })) return true;
    const asked = this.held.get(key);
    if (asked?.booking.kind !== 'booked' || asked.column === column) return false;
    return this.spareFor(column) !== undefined && this.withoutLater(column, hold).fits(hold, amountsOf(demand), column.capacity);
  }

  place(worker: string, key: string, demand: Demand, hold: Interval): void {
    const own = this.placed.has(key) || this.gone.has(key) ? undefined : this.held.get(key);
    if (own) this.profileOf(own.column).remove(own.booking.hold, own.amounts);
    this.placed.add(key);
    const column = this.columns.get(worker);
    if (!column) return;
    if (!this.profileOf(column).fits(hold, amountsOf(demand), column.capacity)) this.clear(column, hold);
    this.profileOf(column).add(hold, amountsOf(demand));
  }

  /** The promise of this session on this worker, if it is still counted there. */
  private ownOn(key: string, column: Column): Held | undefined {
    const own = this.placed.has(key) || this.gone.has(key) ? undefined : this.held.get(key);
    return own?.column === column ? own : undefined;
  }

  /** A spare host that is as large as the worker. */
  private spareFor({ capacity, template }: Column): Column | undefined {
    const large = this.spare.filter((column) => within(column.capacity, capacity, NOTHING));
    return large.find((column) => column.template === template) ?? large[0];
  }

  /** Promises that begin only after a spare host could have been made, seen from the beginning of `hold`, and that it can serve. */
  private later(column: Column, hold: Interval): Held[] {
    const spare = this.spareFor(column);
    if (!spare) return [];
    const ready = hold.from + spare.leadTime;
    return [...column.held.values()].filter(({ bound, booking }) => !bound && booking.hold.from >= ready && booking.hold.from < hold.to
      && !this.placed.has(booking.key) && !this.gone.has(booking.key) && fitsEmpty(spare.facts, booking.demand));
  }

  private withoutLater(column: Column, hold: Interval): CapacityProfile {
    const profile = (this.touched.get(column) ?? column.profile).copy();
    for (const { booking, amounts } of this.later(column, hold)) profile.remove(booking.hold, amounts);
    return profile;
  }

  /** The later promises of a worker go to a spare host together: they had room on one host, so they have it on another like it. */
  private clear(column: Column, hold: Interval): void {
    const spare = this.spareFor(column);
    if (!spare) return;
    for (const { booking, amounts } of this.later(column, hold)) {
      this.profileOf(column).remove(booking.hold, amounts);
      this.gone.add(booking.key);
    }
    if (!this.cleared.has(column)) this.spare.splice(this.spare.indexOf(spare), 1);
    this.cleared.add(column);
  }

  private profileOf(column: Column): CapacityProfile {
    const known = this.touched.get(column);
    if (known) return known;
    const copy = column.profile.copy();
    this.touched.set(column, copy);
    return copy;
  }
}
