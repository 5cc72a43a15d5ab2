/**
 * Which Kubernetes Events are worth a write. Equal ones within two minutes become one Event with a
 * count, and an object that keeps saying new things is cut short: Events are for people, and a
 * controller in a loop must not fill etcd with them.
 */
import { RecentMap } from './recent-map.ts';
import { microTime } from './micro-time.ts';
import type { Clock } from './clock.ts';
import type { KubeObject } from '../kube/types.ts';

/** What names an object. */
export interface Regarding extends Pick<KubeObject, 'apiVersion' | 'kind'> {
  readonly metadata: Pick<KubeObject['metadata'], 'name' | 'namespace' | 'uid' | 'resourceVersion'>;
}

export interface EventNote {
  readonly regarding: Regarding;
  readonly type: 'Normal' | 'Warning';
  /** PascalCase, what happened: `Scheduled`. */
  readonly reason: string;
  /** PascalCase, what was being done: `Schedule`. */
  readonly action: string;
  /** For people; without secrets; cut at 1 KiB. */
  readonly note: string;
  /** What makes two notes with the same reason equal. @default the note itself */
  readonly key?: string;
}

/** One Event in the API, or one that is still to be written. */
export interface EventSeries {
  readonly key: string;
  readonly note: EventNote;
  /** RFC 3339 with microseconds. */
  readonly firstAt: string;
  lastAt: string;
  /** How often it was recorded. */
  count: number;
  /** The count that the API server knows; 0 until the Event is created. */
  written: number;
  /** Name of the Event object, once one was chosen. */
  name: string | undefined;
  /** Attempts to write it that failed in a row. */
  failed: number;
  /** Monotonic moments, in milliseconds. */
  seenAt: number;
  writtenAt: number;
}

export interface EventLimits {
  /** Equal notes closer together than this are one Event. @default 120_000 */
  readonly windowMs?: number;
  /** How many different Events one object may have in a burst. @default 25 */
  readonly burst?: number;
  /** After the burst an object may have one more Event each so many milliseconds. @default 30_000 */
  readonly refillMs?: number;
  /** For how many recent series and objects this is remembered. @default 4096 */
  readonly capacity?: number;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

export class EventSeriesBook {
  private readonly clock: Clock;
  private readonly windowMs: number;
  private readonly burst: number;
  private readonly refillMs: number;
  private readonly series: RecentMap<EventSeries>;
  private readonly buckets: RecentMap<Bucket>;

  constructor(clock: Clock, { windowMs = 120_000, burst = 25, refillMs = 30_000, capacity = 4096 }: EventLimits = {}) {
    this.clock = clock;
    this.windowMs = windowMs;
    this.burst = burst;
    this.refillMs = refillMs;
    this.series = new RecentMap(capacity);
    this.buckets = new RecentMap(capacity);
  }

  /**
   * Takes a note down.
   * @returns the series it belongs to; undefined if its object has said too much
   */
  admit(note: EventNote): EventSeries | undefined {
    const now = this.clock.monotonic();
    const at = microTime(this.clock.now());
    const key = JSON.stringify([note.regarding.metadata.uid, note.type, note.reason, note.key ?? note.note]);
    const running = this.series.get(key);
    if (running && now - running.seenAt < this.windowMs) {
      running.count++;
      running.lastAt = at;
      running.seenAt = now;
      return running;
    }
    if (!this.spend(note.regarding.metadata.uid, now)) return undefined;
    const fresh: EventSeries = {
      key, note: { ...note, regarding: nameOf(note.regarding) }, firstAt: at, lastAt: at, count: 1, written: 0, name: undefined, failed: 0, seenAt: now, writtenAt: -Infinity,
    };
    this.series.set(key, fresh);
    return fresh;
  }

  get(key: string): EventSeries | undefined {
    return this.series.get(key);
  }

  drop(key: string): void {
    this.series.delete(key);
  }

  /** Series with something that the API server does not know yet. */
  unwritten(): EventSeries[] {
    return [...this.series.values()].filter((series) => series.written < series.count);
  }

  private spend(uid: string, now: number): boolean {
    const bucket = this.buckets.get(uid) ?? { tokens: this.burst, filledAt: now };
    const earned = Math.floor((now - bucket.filledAt) / this.refillMs);
    bucket.tokens = Math.min(this.burst, bucket.tokens + earned);
    bucket.filledAt += earned * this.refillMs;
    this.buckets.set(uid, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}

/** An object as it was at each Event, whole, was most of the memory of this program. */
function nameOf({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }: Regarding): Regarding {
  return { apiVersion, kind, metadata: { name, uid, resourceVersion, ...(namespace === undefined ? {} : { namespace }) } };
}
