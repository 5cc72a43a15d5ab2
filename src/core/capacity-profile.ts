/**
 * How much of one host is promised over time: a step function of five amounts, kept as sorted breakpoints. All amounts
 * are whole numbers, so that taking back what was added leaves nothing behind.
 */

/** Milliseconds since the epoch; `to` does not belong to it. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** Thousandths of a CPU, bytes of memory, bytes of storage, nodes, ports. */
export type Amounts = readonly [cpu: number, memory: number, storage: number, nodes: number, ports: number];

export const NOTHING: Amounts = [0, 0, 0, 0, 0];

const SIZE = NOTHING.length;

/** Do both together stay within the capacity? */
export const within = (capacity: Amounts, a: Amounts, b: Amounts): boolean =>
  a[0] + b[0] <= capacity[0] && a[1] + b[1] <= capacity[1] && a[2] + b[2] <= capacity[2] && a[3] + b[3] <= capacity[3] && a[4] + b[4] <= capacity[4];

/** Segment `i` begins at `times[i]` and lasts to the next; before the first and from the last on nothing is promised. */
export class CapacityProfile {
  private readonly times: number[];
  /** Of each segment. */
  private readonly use: Amounts[];

  constructor(times: number[] = [], use: Amounts[] = []) {
    this.times = times;
    this.use = use;
  }

  copy(): CapacityProfile {
    return new CapacityProfile([...this.times], [...this.use]);
  }

  get empty(): boolean {
    return this.times.length === 0;
  }

  add(interval: Interval, amounts: Amounts): void {
    this.change(interval, amounts, 1);
  }

  remove(interval: Interval, amounts: Amounts): void {
    this.change(interval, amounts, -1);
  }

  /** Is there room for `amounts` on top of what is promised, through the whole interval? `without`: a promise that does not count, because it is the one that moves. */
  fits(interval: Interval, amounts: Amounts, capacity: Amounts, without?: { readonly hold: Interval; readonly amounts: Amounts }): boolean {
    const { times, use } = this;
    if (!within(capacity, NOTHING, amounts)) return false;
    for (let i = Math.max(0, this.segmentAt(interval.from)); i < times.length && (times[i] as number) < interval.to; i++) {
      const used = use[i] as Amounts;
      const own = without && (times[i] as number) >= without.hold.from && (times[i] as number) < without.hold.to;
      if (!within(capacity, own ? minus(used, without.amounts) : used, amounts)) return false;
    }
    return true;
  }

  /** The most of each amount at any time of the interval. */
  peak(interval: Interval): Amounts {
    const { times, use } = this;
    let peak = NOTHING;
    for (let i = Math.max(0, this.segmentAt(interval.from)); i < times.length && (times[i] as number) < interval.to; i++) peak = most(peak, use[i] as Amounts);
    return peak;
  }

  /** The first span in which more is promised than there is. */
  overCapacity(capacity: Amounts): Interval | undefined {
    const { times, use } = this;
    const at = use.findIndex((used) => !within(capacity, NOTHING, used));
    return at < 0 ? undefined : { from: times[at] as number, to: times[at + 1] ?? Infinity };
  }

  private change(interval: Interval, amounts: Amounts, sign: 1 | -1): void {
    if (interval.to <= interval.from) return;
    const first = this.split(interval.from);
    const end = this.split(interval.to);
    for (let i = first; i < end; i++) this.use[i] = sum(this.use[i] as Amounts, amounts, sign);
    this.merge(end);
    this.merge(first);
  }

  /** The index of the segment in which `time` lies; −1 before the first. */
  private segmentAt(time: number): number {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.times[middle] as number) <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Makes `time` a breakpoint. @returns the index of the segment that begins there */
  private split(time: number): number {
    const at = this.segmentAt(time);
    if (at >= 0 && this.times[at] === time) return at;
    this.times.splice(at + 1, 0, time);
    this.use.splice(at + 1, 0, at < 0 ? NOTHING : (this.use[at] as Amounts));
    return at + 1;
  }

  /** Drops the breakpoint `at` if nothing changes there. */
  private merge(at: number): void {
    const before = at === 0 ? NOTHING : (this.use[at - 1] as Amounts);
    if (!equal(before, this.use[at] as Amounts)) return;
    this.times.splice(at, 1);
    this.use.splice(at, 1);
  }
}

const sum = (a: Amounts, b: Amounts, sign: 1 | -1): Amounts => [a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2], a[3] + sign * b[3], a[4] + sign * b[4]];
const minus = (a: Amounts, b: Amounts): Amounts => sum(a, b, -1);
const most = (a: Amounts, b: Amounts): Amounts => [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3]), Math.max(a[4], b[4])];

function equal(a: Amounts, b: Amounts): boolean {
  for (let i = 0; i < SIZE; i++) if (a[i] !== b[i]) return false;
  return true;
}
