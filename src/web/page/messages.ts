/**
 * What the controller tells the page: the types that both sides share. Times are milliseconds since the epoch, in UTC;
 * the browser shows them in the zone of its reader.
 */
import type { SessionPhase } from '../../api/labletsession.ts';
import type { WorkerPhase } from '../../api/worker.ts';

/** One session as fleet and timeline draw it: about 400 bytes, and nothing that `kubectl get` would not show. */
export interface SessionRow {
  /** `namespace/name`. */
  readonly key: string;
  readonly phase: SessionPhase;
  /** `name@version`; the version once it is pinned. */
  readonly definition: string;
  /** The worker that it is bound to, or was bound to last. */
  readonly worker?: string;
  /** The slot in force. Absent: as soon as possible, and not Ready yet. */
  readonly slot?: readonly [start: number, end: number];
  /** Every phase with the time at which it began, oldest first. Each lasts until the next begins. */
  readonly spans: readonly (readonly [phase: SessionPhase, from: number])[];
  /** How it came to its end; absent before. */
  readonly ending?: string;
  /** Why it waits or what is wrong, for people. */
  readonly note?: string;
  /** Does a person have to do something? */
  readonly alarm?: boolean;
}

/** One resource of a worker; `used` and `total` in base units (CPUs, bytes, numbers). */
export interface Share {
  readonly name: 'cpu' | 'memory' | 'storage' | 'nodes' | 'ports';
  readonly used: number;
  readonly total: number;
  /** `6 of 16`, as Kubernetes writes the quantities. */
  readonly text: string;
}

export interface Alert {
  /** `alarm`: somebody has to act. `notice`: somebody should know. */
  readonly level: 'alarm' | 'notice';
  /** One word, such as Unreachable. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

export interface WorkerRow {
  readonly name: string;
  readonly phase: WorkerPhase;
  readonly template: string;
  /** Of CML, as the host says it. */
  readonly version?: string;
  readonly capacity: readonly Share[];
  readonly alerts: readonly Alert[];
}

/** What the token's owner may see; nothing else is sent. */
export interface Scope {
  readonly user: string;
  /** Namespaces whose sessions are shown; `*`: all of them. */
  readonly namespaces: '*' | readonly string[];
  /** May Workers be listed? They are cluster-scoped. */
  readonly workers: boolean;
}

/** A line of the stream. `now` is the clock of the controller, by which durations are reckoned. */
export type LiveMessage =
  | { readonly kind: 'all'; readonly now: number; readonly scope: Scope; readonly sessions: readonly SessionRow[]; readonly workers: readonly WorkerRow[] }
  | { readonly kind: 'change'; readonly now: number; readonly sessions: readonly SessionRow[]; readonly workers: readonly WorkerRow[]; readonly goneSessions: readonly string[]; readonly goneWorkers: readonly string[] }
  | { readonly kind: 'alive'; readonly now: number }
  /** The last line, if the stream does not just break off. */
  | { readonly kind: 'end'; readonly error: string };

/** One row of the history of a session. */
export interface Chapter {
  readonly phase: string;
  readonly from: number;
  /** Absent: it lasts. */
  readonly to?: number;
  readonly reason: string;
  /** Who made the transition. */
  readonly actor: string;
  /** Row of the transition table, such as T11. */
  readonly row?: string;
}

export interface StoryStep {
  readonly name: string;
  readonly state: string;
  readonly attempts: number;
  readonly from?: number;
  readonly to?: number;
  readonly error?: string;
}

/** All that the page tells of one session. Never a launch URL, a secret or the address of a device. */
export interface Story {
  readonly now: number;
  readonly row: SessionRow;
  readonly created: number;
  readonly owner: string;
  readonly candidate?: string;
  readonly reservation?: string;
  readonly desiredState: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lab?: string;
  readonly attempts?: number;
  readonly reschedules?: number;
  readonly bookedEnd?: number;
  readonly chapters: readonly Chapter[];
  /** Older transitions were dropped from the status. */
  readonly isCut: boolean;
  readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message: string; readonly since: number }[];
  readonly pipeline?: { readonly name: string; readonly attempt: number; readonly error?: string; readonly steps: readonly StoryStep[] };
  readonly access?: { readonly state: string; readonly started?: number; readonly ended?: number };
  readonly grading?: { readonly state: string; readonly attempt: number; readonly error?: string };
  readonly result?: { readonly report: string; readonly score: number; readonly maxScore?: number; readonly cutScore?: number; readonly passed: boolean; readonly at: number };
  /** Events that no sink has acknowledged yet. */
  readonly undelivered: number;
}
