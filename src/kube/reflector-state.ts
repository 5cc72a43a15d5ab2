/**
 * What a reflector does next, as a pure function of how the last round went.
 *
 *   list ──► watch ──► watch ──► …        a watch that ends is resumed from the last version seen
 *     ▲        │
 *     └────────┘                          version too old, protocol broken, or three very short watches: list afresh
 *
 * Every arrow after a failure waits (backoff with jitter); nothing but stopping ends the loop.
 */
import { backoffMs, type BackoffOptions } from './backoff.ts';
import { ApiError, ExpiredError, InvalidError, KubeError, ProtocolError, ServerUnavailableError, TooManyRequestsError, TransportError, WatchIdleError } from './errors.ts';

export interface ReflectorTiming {
  /** @default 0.8 s doubled up to 30 s (4 s while no answer comes), jitter 1 */
  backoff: BackoffOptions;
  /** A watch that ends sooner, without an event, is a failure, however politely it ends. In milliseconds. @default 1000 */
  shortWatchMs: number;
}

/** One round: take over a whole list (as a stream, or in pages), or watch from a version. */
export type Action =
  /** `resourceVersion`: '' for the most recent, else at least this one, which a server can answer from its cache. */
  | { readonly do: 'list'; readonly resourceVersion: string; readonly stream: boolean }
  | { readonly do: 'watch'; readonly resourceVersion: string };

export type Outcome =
  | { readonly kind: 'listed'; readonly resourceVersion: string }
  | { readonly kind: 'list-failed'; readonly error: unknown }
  | {
      readonly kind: 'watch-ended';
      /** Version of the last event or bookmark, else the one that the watch began with. */
      readonly resourceVersion: string;
      /** How long the watch stood, in milliseconds; undefined if the server did not accept it. */
      readonly openMs: number | undefined;
      /** Events and bookmarks received. */
      readonly events: number;
      /** Undefined if the server closed it in good order. */
      readonly error: unknown;
    }
  /** Somebody does not trust the cache any more. */
  | { readonly kind: 'relist-wanted' };

export interface ReflectorState {
  readonly action: Action;
  /** Milliseconds to wait before the action. */
  readonly waitMs: number;
  /** Failures in a row. A healthy watch ends the row, and so does the first answer after none. */
  readonly failures: number;
  /** Did nobody answer the last time? */
  readonly unanswered: boolean;
  /** Very short watches in a row: some servers close a watch from a stale version without a word. */
  readonly shortWatches: number;
  /** Lists in a row without a healthy watch between them. */
  readonly lists: number;
  /** May lists be streamed? Until the server says that it cannot. */
  readonly streaming: boolean;
}

/** Very short watches in a row after which the version is no longer trusted. */
const SHORT_WATCHES = 3;
/**
 * Longest pause, before jitter, while nobody answers, in milliseconds: to ask costs no server anything then, and once it is
 * back nobody should wait for half a minute longer.
 */
const NO_ANSWER_MAX_MS = 4_000;

/** Where a reflector begins: a consistent read of the present, never a stale cache, for a restart must not go back in time. */
export function initialState(streaming: boolean): ReflectorState {
  return { action: { do: 'list', resourceVersion: '', stream: streaming }, waitMs: 0, failures: 0, unanswered: false, shortWatches: 0, lists: 0, streaming };
}

/** @param random in [0, 1), for the jitter. */
export function advance(state: ReflectorState, outcome: Outcome, timing: ReflectorTiming, random: number): ReflectorState {
  switch (outcome.kind) {
    case 'listed':
      return { ...state, action: { do: 'watch', resourceVersion: outcome.resourceVersion }, waitMs: 0 };
    case 'relist-wanted':
      return { ...state, ...listNext(state, ''), waitMs: 0 };
    case 'list-failed':
      return afterFailedList(state, outcome.error, timing, random);
    case 'watch-ended':
      return afterWatch(state, outcome, timing, random);
  }
}

function afterFailedList(state: ReflectorState, error: unknown, timing: ReflectorTiming, random: number): ReflectorState {
  const streamed = state.action.do === 'list' && state.action.stream;
  if (streamed && error instanceof InvalidError) {
    // An older server: not a failure, and not to be asked again.
    return { ...state, streaming: false, action: { ...state.action, do: 'list', stream: false }, waitMs: 0 };
  }
  const failed = afterFailure(state, error, timing, random);
  // A stream that does not get to its end is not tried twice in a row: pages make progress where a long stream cannot.
  if (versionIsUseless(error)) return { ...failed, action: { do: 'list', resourceVersion: '', stream: false } };
  return { ...failed, action: { do: 'list', resourceVersion: state.action.resourceVersion, stream: false } };
}

function afterWatch(before: ReflectorState, outcome: Outcome & { kind: 'watch-ended' }, timing: ReflectorTiming, random: number): ReflectorState {
  const { error, openMs, events, resourceVersion } = outcome;
  const resume: Action = { do: 'watch', resourceVersion };
  const healthy = error instanceof WatchIdleError || (openMs !== undefined && openMs >= timing.shortWatchMs);
  const state: ReflectorState = healthy ? { ...before, failures: 0, shortWatches: 0, lists: 0 } : before;

  if (versionIsUseless(error)) {
    // The first list of a row need only be as new as what we have seen; if that did not help, only the present will.
    const version = error instanceof ExpiredError && state.lists === 0 ? resourceVersion : '';
    return { ...afterFailure(state, error, timing, random), ...listNext(state, version) };
  }
  // Not understood, or not understood by us (a fault in our own code): what the cache holds is in doubt.
  if (error instanceof ProtocolError || (error !== undefined && !(error instanceof KubeError))) return { ...afterFailure(state, error, timing, random), ...listNext(state, resourceVersion) };
  if (error instanceof TooManyRequestsError || (error instanceof ServerUnavailableError && openMs === undefined)) {
    return { ...afterFailure(state, error, timing, random), action: resume };
  }
  if (error instanceof ApiError) return { ...afterFailure(state, error, timing, random), ...listNext(state, '') };
  // What is left: closed in good order, silent, or broken on the way.
  if (healthy) return { ...state, action: resume, waitMs: 0 };
  if (openMs === undefined) return { ...afterFailure(state, error, timing, random), action: resume };
  if (events > 0) return { ...state, shortWatches: 0, action: resume, waitMs: backoffMs(Math.max(1, state.failures), timing.backoff, random) };
  const shortWatches = state.shortWatches + 1;
  const failed = afterFailure(state, error, timing, random);
  if (shortWatches < SHORT_WATCHES) return { ...failed, shortWatches, action: resume };
  return { ...failed, shortWatches: 0, ...listNext(state, '') };
}

function listNext(state: ReflectorState, resourceVersion: string): Pick<ReflectorState, 'action' | 'lists'> {
  return { action: { do: 'list', resourceVersion, stream: state.streaming }, lists: state.lists + 1 };
}

/** Is the version that we asked for too old, or newer than what the server has (a restored etcd)? */
function versionIsUseless(error: unknown): boolean {
  return error instanceof ExpiredError || (error instanceof ServerUnavailableError && error.resourceVersionTooLarge);
}

function afterFailure(state: ReflectorState, error: unknown, timing: ReflectorTiming, random: number): ReflectorState {
  const unanswered = error instanceof TransportError;
  // A server that has just started refuses for a moment what it cannot judge yet; how long it was away says nothing about that.
  const failures = state.unanswered === unanswered ? state.failures + 1 : 1;
  const asked = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
  const { backoff } = timing;
  const pause = backoffMs(failures, unanswered ? { ...backoff, maxMs: Math.min(backoff.maxMs, NO_ANSWER_MAX_MS) } : backoff, random);
  return { ...state, failures, unanswered, waitMs: Math.max(asked, pause) };
}
