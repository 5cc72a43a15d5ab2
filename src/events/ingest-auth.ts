/** Who may deliver events (INGEST_AUTH): a shared secret, a ServiceAccount token, or a client certificate. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { isListed } from './allow-list.ts';
import { certificateNames } from './certificate-names.ts';
import type { IncomingMessage } from 'node:http';
import type { Logger } from '../telemetry/log.ts';
import type { Refusal } from './ingest-answer.ts';
import type { TokenReviews } from './token-reviews.ts';

/** Undefined: the sender of this request may deliver. It is asked before the body is read. */
export type Authenticate = (request: IncomingMessage) => Promise<Refusal | undefined>;

const REALM = 'lablet-controller';
const NEEDED: Refusal = { status: 401, message: 'send Authorization: Bearer TOKEN', challenge: `Bearer realm="${REALM}"` };
const INVALID: Refusal = { status: 401, message: 'the bearer token is not valid here', challenge: `Bearer realm="${REALM}", error="invalid_token"` };

/**
 * INGEST_AUTH=secret: a secret that the sender shares with us, as bearer token.
 * @param secrets all that are valid now; two while one takes the place of the other
 */
export function secretAuth(secrets: () => readonly string[]): Authenticate {
  return async (request) => {
    const token = bearerOf(request);
    if (typeof token !== 'string') return token;
    const given = digest(token);
    // All are compared, and their digests: neither time nor length tells anything about a secret.
    return secrets().map((secret) => timingSafeEqual(digest(secret), given)).includes(true) ? undefined : INVALID;
  };
}

/**
 * INGEST_AUTH=token: a token that the API server knows, made for our audience (Knative OIDC sends one).
 * @param allowed subjects, `*` for any characters: a token alone says little, since every pod can get one for any audience
 */
export function tokenAuth(reviews: Pick<TokenReviews, 'subjectOf'>, allowed: readonly string[], log: Logger): Authenticate {
  return async (request) => {
    const token = bearerOf(request);
    if (typeof token !== 'string') return token;
    try {
      const subject = await reviews.subjectOf(token);
      if (subject === undefined) return INVALID;
      return isListed(allowed, subject) ? undefined : notAllowed([subject]);
    } catch (error) {
      log.error({ error }, 'a token could not be reviewed: the API server must be reached, and the ServiceAccount be allowed to create tokenreviews');
      return { status: 503, message: 'the token cannot be checked at the moment; send it again' };
    }
  };
}

/**
 * INGEST_AUTH=mtls: a client certificate from an authority in INGEST_CLIENT_CA.
 * 403 and not 401: no credentials in the request could help.
 * @param allowed common names, DNS names or URIs of which the certificate must have one; empty: any certificate
 */
export function mtlsAuth(allowed: readonly string[]): Authenticate {
  return async ({ socket }) => {
    if (!(socket instanceof TLSSocket) || !socket.authorized) return { status: 403, message: 'a client certificate is needed, from an authority that is trusted here (INGEST_CLIENT_CA)' };
    const names = certificateNames(socket.getPeerCertificate());
    return allowed.length === 0 || names.some((name) => isListed(allowed, name)) ? undefined : notAllowed(names);
  };
}

function notAllowed(names: readonly string[]): Refusal {
  return { status: 403, message: `${names.join(', ').slice(0, 300) || 'a sender without a name'} is not allowed; see INGEST_ALLOWED_SUBJECTS` };
}

/**
 * The bearer token, from the header, or from the query parameter that the webhook specification asks of every target
 * (RFC 6750 §2.3): some senders cannot set headers. A URL is easily logged on its way, so the header is to be preferred.
 */
function bearerOf(request: IncomingMessage): string | Refusal {
  const [scheme, inHeader] = /^(\S+) +(\S+) *$/.exec(request.headers.authorization ?? '')?.slice(1) ?? [];
  // Not as a URL: a request line may hold what is none.
  const inQuery = new URLSearchParams((request.url ?? '').replace(/^[^?]*/, '')).getAll('access_token');
  const given = [...(scheme?.toLowerCase() === 'bearer' && inHeader !== undefined ? [inHeader] : []), ...inQuery];
  if (given.length > 1) return { status: 400, message: 'give the token once, in the Authorization header or in access_token' };
  return given[0] ?? NEEDED;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
