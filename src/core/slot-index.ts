/**
 * Which columns of the calendar have room when: for each kind of demand and each slice of time a set of bits, one a
 * column, that says "room through this whole slice". Whether a booking fits is then an AND over its slices: of a thousand
 * columns the full ones cost nothing. The slices at both ends of a booking may be covered in part: there a bit that is
 * not set says "perhaps", and the profile of the column decides.
 */
import { NOTHING, within } from './capacity-profile.ts';
import type { Amounts, CapacityProfile, Interval } from './capacity-profile.ts';

/** What the index must know of a column. */
export interface IndexedColumn {
  readonly capacity: Amounts;
  readonly profile: CapacityProfile;
}

export type Bits = Uint32Array;

export const bitsFor = (size: number): Bits => new Uint32Array((size + 31) >>> 5);
export const setBit = (bits: Bits, at: number): void => { bits[at >>> 5] = ((bits[at >>> 5] as number) | (1 << (at & 31))) >>> 0; };
const clearBit = (bits: Bits, at: number): void => { bits[at >>> 5] = (bits[at >>> 5] as number) & ~(1 << (at & 31)); };
const hasBit = (bits: Bits, at: number): boolean => ((bits[at >>> 5] as number) & (1 << (at & 31))) !== 0;

/** The columns that are set, in order. */
function* eachBit(bits: Bits): Generator<number> {
  for (let word = 0; word < bits.length; word++) {
    for (let left = bits[word] as number; left !== 0; left &= left - 1) yield word * 32 + (31 - Math.clz32(left & -left));
  }
}

function and(target: Bits, other: Bits): boolean {
  let any = 0;
  for (let i = 0; i < target.length; i++) any |= (target[i] = (target[i] as number) & (other[i] as number));
  return any !== 0;
}

/** Sessions of one kind: the same amounts, and the same columns that could ever serve them. */
export interface DemandClass {
  amounts: Amounts;
  /** Could the column serve it, whatever is promised there? */
  suits: (column: number) => boolean;
  /** Columns that suit and could hold it if nothing were promised there. */
  able: Bits;
  /** By number of the slice; a slice that is not here has room wherever `able` says so. */
  slices: Map<number, Bits>;
}

export class SlotIndex {
  /** Milliseconds. */
  readonly slice: number;
  private readonly columns: readonly IndexedColumn[];
  private readonly classes = new Map<string, DemandClass>();
  /** Slices in which a column has promised anything. */
  private readonly touched: Set<number>[];

  constructor(columns: readonly IndexedColumn[], slice: number) {
    this.columns = columns;
    this.slice = slice;
    this.touched = columns.map(() => new Set<number>());
  }

  /** Something was added to the profile of a column, or taken from it, in this interval. */
  changed(column: number, interval: Interval): void {
    const { capacity, profile } = this.columns[column] as IndexedColumn;
    const touched = this.touched[column] as Set<number>;
    const [first, last] = this.slicesOf(interval);
    for (let slice = first; slice <= last; slice++) {
      touched.add(slice);
      const peak = profile.peak({ from: slice * this.slice, to: (slice + 1) * this.slice });
      for (const known of this.classes.values()) mark(known, column, slice, within(capacity, peak, known.amounts));
    }
  }

  /** The capacity of a column has changed: its bit in every slice is another. */
  recount(column: number): void {
    const { capacity } = this.columns[column] as IndexedColumn;
    for (const known of this.classes.values()) {
      const able = known.suits(column) && within(capacity, NOTHING, known.amounts);
      for (const bits of [known.able, ...known.slices.values()]) (able ? setBit : clearBit)(bits, column);
    }
    for (const slice of this.touched[column] as Set<number>) this.changed(column, { from: slice * this.slice, to: (slice + 1) * this.slice });
  }

  /** The class of a demand, made at its first use. `suits` says which columns could ever serve it. */
  classOf(key: string, amounts: Amounts, suits: (column: number) => boolean): DemandClass {
    const known = this.classes.get(key);
    if (known) return known;
    const made: DemandClass = { amounts, suits, able: bitsFor(this.columns.length), slices: new Map() };
    for (const [column, { capacity }] of this.columns.entries()) if (suits(column) && within(capacity, NOTHING, amounts)) setBit(made.able, column);
    for (const column of eachBit(made.able)) {
      const { capacity, profile } = this.columns[column] as IndexedColumn;
      for (const slice of this.touched[column] as Set<number>) mark(made, column, slice, within(capacity, profile.peak({ from: slice * this.slice, to: (slice + 1) * this.slice }), amounts));
    }
    this.classes.set(key, made);
    return made;
  }

  /** The first column with room through the interval; undefined: none. `allowed`: which columns come into question. */
  find(known: DemandClass, interval: Interval, allowed: Bits): number | undefined {
    const [first, last] = this.slicesOf(interval);
    const open = known.able.slice();
    if (!and(open, allowed)) return undefined;
    const ends: Bits[] = [];
    for (let slice = first; slice <= last; slice++) {
      const bits = known.slices.get(slice);
      if (!bits) continue;
      const whole = slice * this.slice >= interval.from && (slice + 1) * this.slice <= interval.to;
      if (!whole) ends.push(bits);
      else if (!and(open, bits)) return undefined;
    }
    const sure = open.slice();
    if (ends.every((bits) => and(sure, bits))) for (const column of eachBit(sure)) return column;
    for (const column of eachBit(open)) {
      const { capacity, profile } = this.columns[column] as IndexedColumn;
      if (profile.fits(interval, known.amounts, capacity)) return column;
    }
    return undefined;
  }

  /**
   * The slice at which the nearest window with room begins, seen from `start` (which is not looked at itself).
   * @param length of the window in slices
   * @param limit slices to look away at most
   * @param allowedFrom which columns come into question for a window that begins there; undefined: it is too early
   */
  nearest(known: DemandClass, start: number, length: number, step: 1 | -1, limit: number, allowedFrom: (slice: number) => Bits | undefined): number | undefined {
    for (let at = start + step; Math.abs(at - start) <= limit;) {
      const allowed = allowedFrom(at);
      if (!allowed) return undefined;
      const open = known.able.slice();
      let blocked = and(open, allowed) ? undefined : at;
      // From the far end: a slice without any room lets all windows be skipped that it lies in.
      for (let i = 0; i < length && blocked === undefined; i++) {
        const slice = step > 0 ? at + length - 1 - i : at + i;
        const bits = known.slices.get(slice);
        if (bits && !and(open, bits)) blocked = slice;
      }
      if (blocked === undefined) return at;
      const next = step > 0 ? Math.max(blocked, at) + 1 : Math.min(blocked - length, at - 1);
      // Columns that come into service later may have room where those of now have none.
      at = step > 0 && next > at + 1 && allowedFrom(next) !== allowed ? at + 1 : next;
    }
    return undefined;
  }

  /** Forgets what lies before an instant. */
  forget(before: number): void {
    const first = Math.floor(before / this.slice);
    for (const { slices } of this.classes.values()) for (const slice of slices.keys()) if (slice < first) slices.delete(slice);
    for (const touched of this.touched) for (const slice of touched) if (slice < first) touched.delete(slice);
  }

  private slicesOf({ from, to }: Interval): [first: number, last: number] {
    return [Math.floor(from / this.slice), Math.ceil(to / this.slice) - 1];
  }
}

function mark({ able, slices }: DemandClass, column: number, slice: number, room: boolean): void {
  if (!hasBit(able, column)) return;
  let bits = slices.get(slice);
  if (!bits) {
    if (room) return;
    bits = able.slice();
    slices.set(slice, bits);
  }
  if (room) setBit(bits, column);
  else clearBit(bits, column);
}
