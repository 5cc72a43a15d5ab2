import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { ExternalErrorKind } from './errors.ts';

const MAX_DESCRIPTION = 300;

/** What the three systems call the sentence in an error body; CML says `description`. */
const errorBody = z.object({
  description: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  detail: z.string().optional().catch(undefined),
  error_description: z.string().optional().catch(undefined),
  title: z.string().optional().catch(undefined),
  error: z.string().optional().catch(undefined),
});

/** What an HTTP status of 300 or more means to us. */
export function kindOfStatus(status: number): ExternalErrorKind {
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 404 || status === 410) return 'notFound';
  if (status === 409) return 'conflict';
  if (status === 408 || status === 425 || status === 429 || status >= 500) return 'unavailable';
  return status >= 400 ? 'badRequest' : 'badResponse';
}

/**
 * True if a gateway answered for a server that may have done the work all the same: after such an answer the
 * outcome of an effect is unknown. 500 and 503 come from the server itself and say that it did not.
 */
export function isGatewayFailure(status: number): boolean {
  return status === 502 || status === 504;
}

/**
 * The sentence of an error answer: the one in its JSON body, else the status's standard phrase. Bodies of other
 * kinds (a proxy's HTML page) are not quoted. URLs and `secrets` are taken out: a launch URL is a bearer secret.
 */
export function describeAnswer(status: number, body: string, secrets: readonly string[]): string {
  const parsed = errorBody.safeParse(parseJson(body));
  const told = parsed.success
    ? (parsed.data.description ?? parsed.data.message ?? parsed.data.detail ?? parsed.data.error_description ?? parsed.data.title ?? parsed.data.error)
    : undefined;
  if (told === undefined) return STATUS_CODES[status] ?? 'unknown status';
  const masked = secrets
    .filter((secret) => secret.length > 0)
    .reduce((text, secret) => text.replaceAll(secret, '[redacted]'), told)
    .replaceAll(/\bhttps?:\/\/\S+/g, '[url]');
  return masked.length > MAX_DESCRIPTION ? `${masked.slice(0, MAX_DESCRIPTION)}…` : masked;
}

/** Parses JSON; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The wait that a Retry-After header asks for (RFC 9110: seconds or a date), in milliseconds from `now`. */
export function retryAfterMs(header: string | string[] | undefined, now: number): number | undefined {
  const value = Array.isArray(header) ? header[0] : header;
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

/** Failures before the first byte of a request left: nothing can have happened on the other side. */
const NEVER_SENT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'host name not found',
  EAI_AGAIN: 'host name could not be resolved',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_PRX_CONN: 'the proxy hung up before there was a connection',
  UND_ERR_PRX_TLS: 'the TLS certificate of the proxy is for another host name',
  CERT_HAS_EXPIRED: 'the TLS certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the TLS certificate is for another host name',
  ...Object.fromEntries(
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'].map(
      (code) => [code, 'the TLS certificate is not signed by a trusted CA: put the CA (PEM) into the key ca.crt of the credentials Secret'],
    ),
  ),
};

const PROXY_HINTS: Readonly<Record<string, string>> = {
  403: 'it does not allow the host; have it allowed there, or name it in NO_PROXY',
  407: 'it asks who we are; put user and password into HTTPS_PROXY and HTTP_PROXY, http://USER:PASSWORD@HOST:PORT',
};

const codedError = z.object({ code: z.string(), message: z.string().catch('') });
const manyErrors = z.object({ errors: z.tuple([z.unknown()], z.unknown()) });

export interface TransportFailure {
  readonly description: string;
  /** The request, or a part of it, may have reached the other side. */
  readonly sent: boolean;
  /** The answer was larger than the bound: asking again will not make it smaller. */
  readonly tooLarge: boolean;
}

/** Reads an error of the transport: how far the request came, and what to tell people. */
export function readTransportError(error: unknown): TransportFailure {
  // With several addresses for a name there is one error for all of them; they failed alike as a rule.
  const many = manyErrors.safeParse(error);
  const { code, message } = codedError.safeParse(many.success ? many.data.errors[0] : error).data ?? { code: '', message: '' };
  const refusedByProxy = /^Proxy .*\((\d{3})\)/.exec(message)?.[1];
  if (refusedByProxy !== undefined) return { description: `the proxy let no connection through (${refusedByProxy}): ${PROXY_HINTS[refusedByProxy] ?? 'it cannot reach the host'}`, sent: false, tooLarge: false };
  const neverSent = NEVER_SENT[code];
  if (neverSent !== undefined) return { description: neverSent, sent: false, tooLarge: false };
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) return { description: `no TLS connection: is the port an https port? (${code})`, sent: false, tooLarge: false };
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return { description: 'the answer is too large', sent: true, tooLarge: true };
  return { description: `connection lost (${code === '' ? 'no code' : code})`, sent: true, tooLarge: false };
}
