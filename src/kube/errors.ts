/**
 * Every way in which a call to the Kubernetes API can fail, as a class with a stable code.
 *
 * What a caller must know of each: may it be tried again, and may it have been processed?
 * An {@link ApiError} is an answer: the request was refused and changed nothing, but for {@link ServerUnavailableError},
 * whose outcome is as unknown as that of a {@link TransportError} (unless that says `not-sent`).
 */
import { z } from 'zod';

/** Base of all errors of this room. */
export abstract class KubeError extends Error {
  /** Stable, for logs and metrics. */
  abstract readonly code: string;
  override get name(): string {
    return this.constructor.name;
  }
}

/** `metav1.Status`, the body of every refusal and of ERROR events on a watch. */
const statusSchema = z.object({
  code: z.number().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z
    .object({
      retryAfterSeconds: z.number().optional(),
      causes: z.array(z.object({ reason: z.string().optional(), message: z.string().optional(), field: z.string().optional() })).optional(),
    })
    .optional(),
});
type Status = z.output<typeof statusSchema>;

export interface ApiErrorInit {
  message: string;
  /** HTTP status, or `code` of the Status on a watch. */
  status: number;
  /** `reason` of the Status, e.g. `AlreadyExists`; empty when the answer did not come from the API server itself. */
  reason: string;
  causes?: readonly { reason?: string | undefined; message?: string | undefined; field?: string | undefined }[];
  /** Milliseconds that the server asked us to wait. */
  retryAfterMs?: number | undefined;
}

/** The API server answered with a refusal. */
export class ApiError extends KubeError {
  readonly code: string = 'KUBE_API';
  readonly status: number;
  readonly reason: string;
  readonly causes: NonNullable<ApiErrorInit['causes']>;
  readonly retryAfterMs: number | undefined;
  constructor(init: ApiErrorInit) {
    super(init.message);
    this.status = init.status;
    this.reason = init.reason;
    this.causes = init.causes ?? [];
    this.retryAfterMs = init.retryAfterMs;
  }
}

/** 400, 413, 415, 422: the object or the patch is wrong (a failed JSON patch `test` too). Sending it again is of no use. */
export class InvalidError extends ApiError {
  override readonly code = 'KUBE_INVALID';
}
/** 401 even after the credentials were read again. */
export class UnauthorizedError extends ApiError {
  override readonly code = 'KUBE_UNAUTHORIZED';
}
/** 403: a role lacks a rule, or a quota or an admission rule refuses. */
export class ForbiddenError extends ApiError {
  override readonly code = 'KUBE_FORBIDDEN';
}
/** 404: the object, or its kind, is not there. */
export class NotFoundError extends ApiError {
  override readonly code = 'KUBE_NOT_FOUND';
}
/** 409 on an update, a patch or a delete with precondition: the object has moved on. Read it again and decide again. */
export class ConflictError extends ApiError {
  override readonly code = 'KUBE_CONFLICT';
}
/** 409 on a create: an object of that name is there. */
export class AlreadyExistsError extends ApiError {
  override readonly code = 'KUBE_ALREADY_EXISTS';
}
/** 410: the resourceVersion or the continue token is too old; list afresh. */
export class ExpiredError extends ApiError {
  override readonly code = 'KUBE_EXPIRED';
}
/** 429: refused by flow control before it was processed. */
export class TooManyRequestsError extends ApiError {
  override readonly code = 'KUBE_TOO_MANY_REQUESTS';
}
/** 5xx: the server, or a proxy before it, is in trouble. A write may or may not have been processed. */
export class ServerUnavailableError extends ApiError {
  override readonly code = 'KUBE_SERVER_UNAVAILABLE';
  /** The server's data are older than the resourceVersion that we asked for (a lagging cache, or a restored etcd). */
  get resourceVersionTooLarge(): boolean {
    return this.causes.some((cause) => cause.reason === 'ResourceVersionTooLarge') || this.message.includes('Too large resource version');
  }
}

/** No answer came. `not-sent`: no connection could be made, so nothing was processed; else nobody knows. */
export class TransportError extends KubeError {
  readonly code: string = 'KUBE_TRANSPORT';
  readonly outcome: 'not-sent' | 'unknown';
  constructor(message: string, outcome: 'not-sent' | 'unknown', cause: unknown) {
    super(message, { cause });
    this.outcome = outcome;
  }
}

/** No answer within the time of one request. */
export class TimeoutError extends TransportError {
  override readonly code = 'KUBE_TIMEOUT';
  constructor(message: string) {
    super(message, 'unknown', undefined);
  }
}

/** A watch has been silent for the idle time: the connection may be half-open. Watch again from the last resourceVersion. */
export class WatchIdleError extends KubeError {
  readonly code = 'KUBE_WATCH_IDLE';
}

/** The server sent something that is not what the Kubernetes API promises: no JSON, no object, a line without end. */
export class ProtocolError extends KubeError {
  readonly code = 'KUBE_PROTOCOL';
}

/** The kubeconfig or the caller's arguments are unusable; the message says what to do. */
export class ConfigurationError extends KubeError {
  readonly code = 'KUBE_CONFIGURATION';
}

const byStatus: Readonly<Record<number, new (init: ApiErrorInit) => ApiError>> = {
  400: InvalidError,
  401: UnauthorizedError,
  403: ForbiddenError,
  404: NotFoundError,
  409: ConflictError,
  410: ExpiredError,
  413: InvalidError,
  415: InvalidError,
  422: InvalidError,
  429: TooManyRequestsError,
};

/**
 * The error for an answer that is not a success.
 * @param httpStatus HTTP status; 0 when the Status came as an ERROR event of a watch.
 * @param body the parsed answer if it was JSON, else its text (a proxy's page).
 * @param context what was asked, for the message: `PATCH /apis/…`.
 * @param retryAfterHeader `Retry-After` in seconds, if given.
 */
export function apiError(httpStatus: number, body: unknown, context: string, retryAfterHeader?: string): ApiError {
  const parsed = statusSchema.safeParse(body);
  const status: Status = parsed.success ? parsed.data : {};
  const code = httpStatus === 0 ? (status.code ?? 500) : httpStatus;
  const reason = status.reason ?? '';
  const text = status.message ?? (typeof body === 'string' ? body.trim().slice(0, 200) : '');
  const seconds = Number(retryAfterHeader ?? status.details?.retryAfterSeconds ?? Number.NaN);
  const init: ApiErrorInit = {
    message: `${context}: ${code}${reason === '' ? '' : ` ${reason}`}${text === '' ? '' : `: ${text}`}`,
    status: code,
    reason,
    causes: status.details?.causes ?? [],
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
  };
  if (reason === 'AlreadyExists') return new AlreadyExistsError(init);
  if (reason === 'Expired' || reason === 'Gone') return new ExpiredError(init);
  const kind = byStatus[code] ?? (code >= 500 ? ServerUnavailableError : ApiError);
  return new kind(init);
}

/** Node and undici codes of failures before a connection stood: the request was surely not processed. */
const notConnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/** What Node and undici throw, by shape: `instanceof` fails for errors that come from another realm of the process. */
const thrownSchema = z.object({ message: z.string().catch(''), code: z.string().catch(''), errors: z.array(z.unknown()).optional() });

/** The error for a request that got no answer. */
export function transportError(cause: unknown, context: string): TransportError {
  const thrown = thrownSchema.safeParse(cause).data ?? { message: String(cause), code: '' };
  // Node tries every address of a host and reports the failures together.
  const codes = (thrown.errors ?? [thrown]).map((one) => thrownSchema.safeParse(one).data?.code ?? '');
  const outcome = codes.every((code) => notConnected.has(code)) ? 'not-sent' : 'unknown';
  const parts = [[...new Set(codes)].filter(Boolean).join(', '), thrown.message].filter(Boolean);
  return new TransportError(`${context}: ${parts.join(': ') || 'no answer'}`, outcome, cause);
}

/** A create in a namespace that is being deleted: final, nothing more can be made in it. */
export function isNamespaceTerminating(error: unknown): boolean {
  return error instanceof ForbiddenError
    && (error.causes.some((cause) => cause.reason === 'NamespaceTerminating') || error.message.includes('because it is being terminated'));
}
