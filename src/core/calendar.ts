/**
 * The calendar (contract §3a): which bookings can be held by the capacity that can exist at their time. Every admitted
 * booking has a column, which is a worker, or one that a template may still make, and in no column is more promised at
 * any time than the host has. A column says where there would be room; which worker a session gets is decided when its
 * time has come (src/core/scheduling.ts), and only where all the promises of that worker can still be kept.
 *
 * Deterministic: the same calls give the same columns. Times are milliseconds since the epoch.
 */
import { CapacityProfile, NOTHING, within } from './capacity-profile.ts';
import { fitsEmpty } from './scaling.ts';
import { SlotIndex, bitsFor, setBit } from './slot-index.ts';
import type { Amounts, Interval } from './capacity-profile.ts';
import type { Demand, WorkerSnapshot } from './scheduling.ts';
import type { Bits, DemandClass } from './slot-index.ts';

/** What is asked of the calendar: room for a demand through `hold`. */
export interface Booking {
  /** uid of the session. */
  readonly key: string;
  readonly demand: Demand;
  /** From bootLeadTime before the start to 50 min after the end. */
  readonly hold: Interval;
  /** From the beginning of the hold to the start of the slot. */
  readonly lead: number;
  /** booked: the host must be up when the hold begins. soon: as soon as possible, be it once a host has booted. */
  readonly kind: 'booked' | 'soon';
}

/** A worker that serves sessions, or could again without anybody's leave: running, coming, stopped or drained by the autoscaler. */
export interface FleetWorker {
  readonly facts: WorkerSnapshot;
  readonly template: string | undefined;
  /** up: it can take sessions now. coming: expected at `readyAt`. down: it needs its lead time from when it is called. */
  readonly state: 'up' | 'coming' | 'down';
  readonly readyAt?: number | undefined;
  /** Milliseconds. */
  readonly leadTime: number;
  /** Held by Labs that no session has claimed, and by labs that are not ours. */
  readonly kept: { readonly storage: number; readonly ports: number };
}

export interface FleetTemplate {
  readonly name: string;
  /** A worker as it would be made; its name is that of the template. */
  readonly facts: WorkerSnapshot;
  readonly leadTime: number;
  readonly costPerHour: number;
  /** How many more workers may be made of it. */
  readonly room: number;
}

export interface Fleet {
  readonly workers: readonly FleetWorker[];
  readonly templates: readonly FleetTemplate[];
}

/** Where an admitted booking has its room: on a worker, or on one that is yet to be made from the template. */
export interface Fit {
  readonly worker: string | undefined;
  readonly template: string | undefined;
}

/** A host that has to be in service from `from` on, and is not yet. */
export interface Need extends Fit {
  readonly from: number;
  readonly bookings: readonly Booking[];
}

/** Start times of the nearest slots of the same length that have room. */
export interface Nearest {
  readonly before?: number;
  readonly after?: number;
}

interface Held {
  booking: Booking;
  amounts: Amounts;
  column: Column;
  /** A session holds it on the worker itself: it cannot be moved. */
  bound: boolean;
}

interface Column {
  /** Its place in the index. */
  at: number;
  worker: string | undefined;
  template: string | undefined;
  facts: WorkerSnapshot;
  capacity: Amounts;
  profile: CapacityProfile;
  held: Map<string, Held>;
  state: FleetWorker['state'];
  readyAt: number;
  leadTime: number;
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
        return begins < now ? undefined : this.serving(begins, booking.kind, now);
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

  /** The hosts that bookings need in this time and that are not in service: those that must be called, and from when. In the order of time. */
  needs(window: Interval): Need[] {
    return this.columns.filter(({ state, held }) => state !== 'up' && held.size > 0).flatMap((column): Need[] => {
      const bookings = [...column.held.values()].map(({ booking }) => booking).filter(({ hold }) => hold.from < window.to && hold.to > window.from).sort(byTime);
      const [first] = bookings;
      return first ? [{ ...fitOf(column), from: first.hold.from, bookings }] : [];
    }).sort((a, b) => a.from - b.from);
  }

  /** What is promised on a worker in this time, in the order of time: its guard against being taken out of service. */
  heldOn(worker: string, window: Interval): Booking[] {
    const column = this.byWorker.get(worker);
    return column ? [...column.held.values()].map(({ booking }) => booking).filter(({ hold }) => hold.from < window.to && hold.to > window.from).sort(byTime) : [];
  }

  /** All that is promised, host by host. */
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
  setFleet({ workers, templates }: Fleet, now: number): void {
    const spare = new Map<string, Column[]>();
    for (const column of this.columns) if (column.worker === undefined) push(spare, column.template ?? '', column);
    const kept = new Set(workers.map(({ facts }) => facts.name));
    for (const [name, column] of this.byWorker) if (!kept.has(name)) push(spare, column.template ?? '', column);
    for (const columns of spare.values()) columns.sort((a, b) => firstHold(a) - firstHold(b));

    const next = [
      ...workers.toSorted((a, b) => (a.facts.name < b.facts.name ? -1 : 1)).map((worker) => columnOf(worker, this.byWorker.get(worker.facts.name) ?? takeNeeded(spare, worker.template))),
      ...templates.toSorted((a, b) => a.costPerHour - b.costPerHour || (a.name < b.name ? -1 : 1)).flatMap((template) =>
        Array.from({ length: template.room }, () => virtualColumn(template, spare.get(template.name)?.shift()))),
    ];
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
    this.serves = undefined;
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
    const found = this.index.find(this.classOf(booking.demand), booking.hold, this.serving(booking.hold.from, booking.kind, now));
    return found === undefined ? undefined : this.columns[found];
  }

  private classOf(demand: Demand): DemandClass {
    return this.index.classOf(classKey(demand), amountsOf(demand), (at) => fitsEmpty((this.columns[at] as Column).facts, demand));
  }

  private serves: { now: number; steps: { from: number; bits: Bits }[] } | undefined;

  /** The columns that are in service from an instant on, or can be. */
  private serving(from: number, kind: Booking['kind'], now: number): Bits {
    if (this.serves?.now !== now) {
      const order = this.columns.map((column, at) => ({ at, ready: readyFrom(column, now) })).sort((a, b) => a.ready - b.ready);
      const steps: { from: number; bits: Bits }[] = [{ from: -Infinity, bits: bitsFor(this.columns.length) }];
      for (const { at, ready } of order) {
        let last = steps.at(-1) as { from: number; bits: Bits };
        if (last.from !== ready) steps.push(last = { from: ready, bits: last.bits.slice() });
        setBit(last.bits, at);
      }
      this.serves = { now, steps };
    }
    const { steps } = this.serves;
    let found = steps[0] as { from: number; bits: Bits };
    for (const step of steps) if (kind === 'soon' || step.from <= from) found = step;
    return found.bits;
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
   * Can the worker take the session through all of its hold, and keep what was promised to others? A booking whose own
   * host is not in service may also take room that is promised for later, as long as a host that nobody has booked can
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

const fitOf = ({ worker, template }: Column): Fit => ({ worker, template });
const sameHold = (a: Booking, b: Booking): boolean => a.hold.from === b.hold.from && a.hold.to === b.hold.to && classKey(a.demand) === classKey(b.demand);
const byTime = (a: Booking, b: Booking): number => a.hold.from - b.hold.from || a.hold.to - b.hold.to || (a.key < b.key ? -1 : 1);
const firstHold = ({ held }: Column): number => Math.min(...[...held.values()].map(({ booking }) => booking.hold.from));

/** From when on the column can serve. */
function readyFrom({ state, readyAt, leadTime }: Column, now: number): number {
  if (state === 'up') return -Infinity;
  return state === 'coming' ? Math.max(now, readyAt) : now + leadTime;
}

const amountsKept = new WeakMap<Demand, Amounts>();

export function amountsOf(demand: Demand): Amounts {
  const known = amountsKept.get(demand);
  if (known) return known;
  const { resources: { cpu, memory, storage }, nodeCount, portCount } = demand;
  const made: Amounts = [Math.round(cpu * 1000), Math.ceil(memory), Math.ceil(storage), nodeCount, portCount];
  amountsKept.set(demand, made);
  return made;
}

const classKeys = new WeakMap<Demand, string>();

/** Definitions that need the same are one class. */
function classKey(demand: Demand): string {
  const known = classKeys.get(demand);
  if (known !== undefined) return known;
  const { resources, nodeCount, portCount, nodeDefinitions, images, licenseAffinity, nestedVirtualization } = demand;
  const made = JSON.stringify([resources, nodeCount, portCount, nodeDefinitions, images, licenseAffinity, nestedVirtualization]);
  classKeys.set(demand, made);
  return made;
}

function capacityOf({ declared, nodeLimit, portRange }: WorkerSnapshot, kept: FleetWorker['kept']): Amounts {
  return [Math.round(declared.cpu * 1000), Math.floor(declared.memory), Math.floor(declared.storage - kept.storage), nodeLimit, portRange.end - portRange.start + 1 - kept.ports];
}

function columnOf({ facts, template, state, readyAt, leadTime, kept }: FleetWorker, before: Column | undefined): Column {
  return { at: 0, worker: facts.name, template, facts, capacity: capacityOf(facts, kept), profile: before?.profile ?? new CapacityProfile(), held: before?.held ?? new Map<string, Held>(), state, readyAt: readyAt ?? 0, leadTime };
}

function virtualColumn({ name, facts, leadTime }: FleetTemplate, before: Column | undefined): Column {
  return { at: 0, worker: undefined, template: name, facts, capacity: capacityOf(facts, { storage: 0, ports: 0 }), profile: before?.profile ?? new CapacityProfile(), held: before?.held ?? new Map<string, Held>(), state: 'down', readyAt: 0, leadTime };
}

/** The column that is needed first: the new worker was made for it. */
function takeNeeded(spare: Map<string, Column[]>, template: string | undefined): Column | undefined {
  return template === undefined ? undefined : spare.get(template)?.shift();
}

function push(map: Map<string, Column[]>, key: string, column: Column): void {
  const list = map.get(key);
  if (list) list.push(column);
  else map.set(key, [column]);
}

const view = ({ worker, template, capacity, state, readyAt, leadTime, facts }: Column): string =>
  JSON.stringify([worker, template, capacity, state, readyAt, leadTime, facts.license, facts.imageName, facts.cmlVersion, [...(facts.nodeDefinitions ?? [])], facts.nestedVirtualization, facts.provider]);

const isSame = (a: Column, b: Column | undefined): boolean => b !== undefined && a.held === b.held && view(a) === view(b);
