import { redactText } from '../telemetry/redact.ts';

/** The systems outside of the cluster that the controller speaks to over HTTP. */
export type ExternalSystem = 'cml' | 'lds' | 'grading' | 's3' | 'ec2';

/**
 * What went wrong, in the terms a controller decides by:
 * - `notFound` 404: the lab, session or pod is gone.
 * - `unauthorized` 401 or 403, after the one renewed login: the credentials in the Secret are not accepted.
 * - `badRequest` any other 4xx: the other side refuses this request; `description` holds its words.
 * - `conflict` 409: it exists already, or the other side is busy with it.
 * - `unavailable` 429, 5xx, or no connection: nothing was done, or the call is safe to repeat.
 * - `timeout` no answer in time to a call that only reads.
 * - `outcomeUnknown` a call with an effect was cut off: it may or may not have happened (see OutcomeUnknownError).
 * - `circuitOpen` not sent: the host failed so often in a row that it is left alone for a while.
 * - `capacity` EC2 has no such machine to give, or our quota is used up: elsewhere, or later, it may.
 * - `badResponse` an answer that breaks the contract: not the JSON expected, too large, a redirect.
 */
export type ExternalErrorKind =
  | 'notFound'
  | 'unauthorized'
  | 'badRequest'
  | 'conflict'
  | 'unavailable'
  | 'timeout'
  | 'outcomeUnknown'
  | 'circuitOpen'
  | 'capacity'
  | 'badResponse';

const RETRYABLE: ReadonlySet<ExternalErrorKind> = new Set(['conflict', 'unavailable', 'timeout', 'outcomeUnknown', 'circuitOpen']);

const SYSTEM_NAMES: Readonly<Record<ExternalSystem, string>> = { cml: 'CML', lds: 'LDS', grading: 'GradingEngine', s3: 'S3', ec2: 'EC2' };

export interface ExternalErrorDetails {
  readonly system: ExternalSystem;
  /** Host and, where not the default, port: "cml-01.example.org". */
  readonly host: string;
  /** Method and path template, without ids: "PUT /labs/{id}/start". */
  readonly call: string;
  readonly kind: ExternalErrorKind;
  /** HTTP status, where there was an answer. */
  readonly status?: number | undefined;
  /** The other side's own words (CML's `description`), or what our side saw. Never credentials, tokens or launch URLs. */
  readonly description?: string | undefined;
  /** How long the other side asked us to wait (Retry-After), in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/**
 * A call to CML, LDS, the GradingEngine, S3 or EC2 failed. The message is fit for a condition or a Kubernetes Event:
 * "CML cml-01.example.org: PUT /labs/{id}/start: 400 Licence node limit (20) reached".
 */
export class ExternalError extends Error {
  override readonly name: string = 'ExternalError';
  readonly system: ExternalSystem;
  readonly host: string;
  readonly call: string;
  readonly kind: ExternalErrorKind;
  readonly status: number | undefined;
  readonly description: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** The same call may succeed later without anybody changing anything. After `outcomeUnknown`: look first, then repeat. */
  readonly retryable: boolean;

  constructor(details: ExternalErrorDetails) {
    // What the caller knew to be secret is out of it already; this is for what looks like a credential and was somebody else's.
    const description = details.description === undefined ? undefined : redactText(details.description);
    const what = [details.status, description ?? (details.status === undefined ? details.kind : undefined)];
    const told = what.filter((part) => part !== undefined).join(' ');
    super(`${SYSTEM_NAMES[details.system]} ${details.host}: ${details.call}: ${told}`, { cause: details.cause });
    this.system = details.system;
    this.host = details.host;
    this.call = details.call;
    this.kind = details.kind;
    this.status = details.status;
    this.description = description;
    this.retryAfterMs = details.retryAfterMs;
    this.retryable = RETRYABLE.has(details.kind);
  }
}

/**
 * A call with an effect was aborted, timed out, or lost its connection after it was sent: the effect may have
 * happened. The caller must look (lab title, GradingEngine session id) before it repeats the call.
 */
export class OutcomeUnknownError extends ExternalError {
  override readonly name = 'OutcomeUnknownError';

  constructor(details: Omit<ExternalErrorDetails, 'kind'>) {
    super({ ...details, kind: 'outcomeUnknown' });
  }
}

/** True if `error` says that the thing asked for does not exist (404). */
export function isNotFound(error: unknown): error is ExternalError {
  return error instanceof ExternalError && error.kind === 'notFound';
}
