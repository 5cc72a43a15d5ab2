import type { ExternalSystem } from './errors.ts';

/** What every call to an outside system takes. */
export interface CallOptions {
  /**
   * Ends the call. For effects this is the leadership's effect signal, which fires before the lease can be lost.
   * An aborted call with an effect that was already sent throws OutcomeUnknownError; any other aborted call
   * throws the signal's reason.
   */
  readonly signal: AbortSignal;
}

/** One attempt of one call, for metrics. */
export interface CallReport {
  readonly system: ExternalSystem | 'topology';
  readonly host: string;
  /** Method and path template, without ids: bounded in number. */
  readonly call: string;
  /** HTTP status, or the kind of failure where there was no answer. */
  readonly status: number | string;
  readonly seconds: number;
}

/** The HTTP proxy that leads to a URL, `http://HOST:PORT`; undefined: none. */
export type ProxyFor = (url: URL) => string | undefined;

/** Is told of every attempt; must not throw. */
export type OnCall = (report: CallReport) => void;
