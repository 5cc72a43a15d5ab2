/**
 * The work queue of a controller: which key to look at next, and when.
 *
 * - A key is in it at most once. Adding it again keeps the earlier time and the higher priority.
 * - A key that is being worked on is never handed out a second time; if it is added meanwhile it
 *   comes back once, after `done`.
 * - Higher priorities go first, but every eighth pick is the key that has waited longest, so that a
 *   flood of events cannot starve what waits below.
 */
import { KeyBackoff } from './backoff.ts';
import type { BackoffOptions } from './backoff.ts';
import type { Cancel, Clock } from './clock.ts';
import { Heap } from './heap.ts';
import type { HeapMember } from './heap.ts';

/** Who goes first. A number, so that the higher of two is `Math.max`. */
export const Priority = {
  /** What every key gets at start and at a resync: nobody waits for it. */
  low: 0,
  /** A pass that asked to come back, a retry, a change made by a controller. */
  normal: 1,
  /** A person or an event is waiting: what ingest wakes, changes of a spec, deletions. */
  high: 2,
} as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

const LANES: readonly Priority[] = [Priority.high, Priority.normal, Priority.low];

export interface AddOptions {
  /** @default 0, that is at once */
  readonly delayMs?: number;
  /** @default Priority.normal */
  readonly priority?: Priority;
}

export interface QueueOptions {
  readonly clock: Clock;
  readonly backoff?: BackoffOptions;
  /** Every n-th pick goes to the key that has waited longest, whatever its priority. @default 8 */
  readonly fairness?: number;
}

export interface QueueStats {
  /** Keys that could be worked on now, by nobody yet. */
  readonly ready: number;
  /** Keys whose time has not come. */
  readonly delayed: number;
  /** Keys that are being worked on. */
  readonly running: number;
  /** How long the oldest ready key has been waiting, in milliseconds. */
  readonly oldestMs: number;
}

/** A key that was handed out; give it back with `done(key)`. */
export interface WorkItem {
  readonly key: string;
  readonly priority: Priority;
  /** How long it was ready before somebody took it, in milliseconds. */
  readonly waitedMs: number;
}

interface Entry extends HeapMember {
  readonly key: string;
  readyAt: number;
  priority: Priority;
  /** Order of becoming ready; unset while delayed. */
  turn: number | undefined;
}

const byTurn = (a: Entry, b: Entry): boolean => (a.turn ?? 0) < (b.turn ?? 0);
const byTime = (a: Entry, b: Entry): boolean => a.readyAt < b.readyAt;

export class WorkQueue {
  private readonly clock: Clock;
  private readonly fairness: number;
  private readonly backoff: KeyBackoff;
  private readonly waiting = new Map<string, Entry>();
  private readonly delayed = new Heap<Entry>(byTime);
  private readonly lanes = new Map(LANES.map((priority) => [priority, new Heap<Entry>(byTurn)]));
  /** Keys in work, each with what was asked for it meanwhile. */
  private readonly running = new Map<string, { readyAt: number; priority: Priority } | undefined>();
  private readonly takers: ((item: WorkItem | undefined) => void)[] = [];
  private readonly idlers: (() => void)[] = [];
  private alarm: { at: number; cancel: Cancel } | undefined;
  private turns = 0;
  private picks = 0;
  private closed = false;

  constructor({ clock, backoff = {}, fairness = 8 }: QueueOptions) {
    this.clock = clock;
    this.fairness = fairness;
    this.backoff = new KeyBackoff(backoff);
  }

  /** Asks for a pass over `key`. Ignored once the queue is shut down. */
  add(key: string, { delayMs = 0, priority = Priority.normal }: AddOptions = {}): void {
    if (this.closed) return;
    const readyAt = this.clock.monotonic() + Math.max(0, delayMs);
    if (this.running.has(key)) {
      const dirty = this.running.get(key);
      this.running.set(key, {
        readyAt: Math.min(readyAt, dirty?.readyAt ?? Infinity),
        priority: higher(priority, dirty?.priority),
      });
      return;
    }
    this.enqueue(key, readyAt, priority);
    this.serve();
  }

  /**
   * Asks for a pass over `key` after its backoff, but not before `atLeastMs`.
   * @returns the delay in milliseconds
   */
  retry(key: string, priority: Priority = Priority.normal, atLeastMs = 0): number {
    const delayMs = Math.max(atLeastMs, this.backoff.next(key));
    this.add(key, { delayMs, priority });
    return delayMs;
  }

  /** Clears the failure count of `key`. */
  forget(key: string): void {
    this.backoff.forget(key);
  }

  /** How often `key` has failed in a row. */
  failures(key: string): number {
    return this.backoff.count(key);
  }

  /** The next key to work on, as soon as there is one; undefined once the queue is shut down. */
  take(): Promise<WorkItem | undefined> {
    return new Promise((resolve) => {
      if (this.closed) {
        resolve(undefined);
        return;
      }
      this.takers.push(resolve);
      this.serve();
    });
  }

  /** Gives a taken key back; if it was added meanwhile it is queued again, once. */
  done(key: string): void {
    const dirty = this.running.get(key);
    if (!this.running.delete(key)) return;
    if (dirty && !this.closed) this.enqueue(key, dirty.readyAt, dirty.priority);
    if (this.running.size === 0) for (const resolve of this.idlers.splice(0)) resolve();
    this.serve();
  }

  /** Hands out nothing any more and drops what waits; keys in work may still be given back. */
  shutdown(): void {
    this.closed = true;
    this.alarm?.cancel();
    this.alarm = undefined;
    this.waiting.clear();
    for (const taker of this.takers.splice(0)) taker(undefined);
  }

  /** Resolves as soon as no key is being worked on. */
  idle(): Promise<void> {
    return this.running.size === 0 ? Promise.resolve() : new Promise((resolve) => this.idlers.push(resolve));
  }

  stats(): QueueStats {
    if (this.closed) return { ready: 0, delayed: 0, running: this.running.size, oldestMs: 0 };
    const oldest = this.oldest();
    return {
      ready: this.waiting.size - this.delayed.size,
      delayed: this.delayed.size,
      running: this.running.size,
      oldestMs: oldest ? Math.max(0, this.clock.monotonic() - oldest.readyAt) : 0,
    };
  }

  private enqueue(key: string, readyAt: number, priority: Priority): void {
    const entry = this.waiting.get(key);
    if (!entry) {
      const fresh: Entry = { key, readyAt, priority, turn: undefined, place: -1 };
      this.waiting.set(key, fresh);
      this.delayed.push(fresh);
      return;
    }
    const earlier = readyAt < entry.readyAt;
    const raised = priority > entry.priority;
    if (!earlier && !raised) return;
    this.heapOf(entry).remove(entry);
    entry.readyAt = Math.min(readyAt, entry.readyAt);
    entry.priority = higher(priority, entry.priority);
    this.heapOf(entry).push(entry);
  }

  /** Moves what has become ready, hands out what is asked for, sets the alarm for the next. */
  private serve(): void {
    const now = this.clock.monotonic();
    for (let next = this.delayed.peek(); next && next.readyAt <= now; next = this.delayed.peek()) {
      this.delayed.remove(next);
      next.turn = this.turns++;
      this.heapOf(next).push(next);
    }
    while (this.takers.length > 0) {
      const entry = this.pick();
      if (!entry) break;
      this.waiting.delete(entry.key);
      this.running.set(entry.key, undefined);
      this.takers.shift()?.({ key: entry.key, priority: entry.priority, waitedMs: Math.max(0, now - entry.readyAt) });
    }
    this.setAlarm();
  }

  private pick(): Entry | undefined {
    if (this.waiting.size === this.delayed.size) return undefined;
    const entry = ++this.picks % this.fairness === 0 ? this.oldest() : this.first();
    if (entry) this.heapOf(entry).remove(entry);
    return entry;
  }

  private first(): Entry | undefined {
    for (const priority of LANES) {
      const entry = this.lane(priority).peek();
      if (entry) return entry;
    }
    return undefined;
  }

  private oldest(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const priority of LANES) {
      const entry = this.lane(priority).peek();
      if (entry && (!oldest || byTurn(entry, oldest))) oldest = entry;
    }
    return oldest;
  }

  private setAlarm(): void {
    const at = this.delayed.peek()?.readyAt;
    if (this.closed || at === this.alarm?.at) return;
    this.alarm?.cancel();
    this.alarm = undefined;
    if (at === undefined) return;
    const cancel = this.clock.setTimeout(() => {
      this.alarm = undefined;
      this.serve();
    }, at - this.clock.monotonic());
    this.alarm = { at, cancel };
  }

  private heapOf(entry: Entry): Heap<Entry> {
    return entry.turn === undefined ? this.delayed : this.lane(entry.priority);
  }

  private lane(priority: Priority): Heap<Entry> {
    const lane = this.lanes.get(priority);
    if (!lane) throw new RangeError(`priority ${priority} is none of low (0), normal (1), high (2)`);
    return lane;
  }
}

function higher(a: Priority, b: Priority | undefined): Priority {
  return b !== undefined && b > a ? b : a;
}
