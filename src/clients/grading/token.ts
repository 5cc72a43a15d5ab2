import { z } from 'zod';
import type { HttpHost } from '../http.ts';
import type { Credentials } from '../factory-port.ts';
import { basicAuthorization } from '../login.ts';

/** An access token and the time, in milliseconds since 1970, after which no call should begin with it. */
export interface AccessToken {
  readonly value: string;
  readonly usableUntil: number;
}

const tokenAnswer = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i, 'token_type must be Bearer'),
  expires_in: z.number().positive().optional(),
});

/** A token is not used in its last tenth, at most its last 60 s: it must outlive the call that begins with it. */
const MAX_MARGIN_S = 60;
/** RFC 6749 leaves `expires_in` out where the length is agreed elsewhere; 5 min is what identity providers issue at least. */
const DEFAULT_LIFETIME_S = 300;

export interface TokenRequest {
  /** The token endpoint's path on its host. */
  readonly path: string;
  readonly credentials: Credentials;
  readonly signal: AbortSignal;
  readonly now: () => number;
}

/**
 * The client credentials grant (RFC 6749 §4.4), with the client authenticated by HTTP Basic (§2.3.1). It is a
 * few lines on our own HTTP layer; an OAuth library would bring a second one, without its limits and its private CA.
 */
export async function requestToken(http: HttpHost, { path, credentials, signal, now }: TokenRequest): Promise<AccessToken> {
  const { username, password } = credentials;
  const answer = await http.json(
    {
      method: 'POST',
      path,
      headers: { authorization: basicAuthorization(formEncode(username), formEncode(password)) },
      form: { grant_type: 'client_credentials' },
      secrets: [password],
      effect: false,
      repeatable: true,
      signal,
    },
    tokenAnswer,
  );
  const lifetime = answer.expires_in ?? DEFAULT_LIFETIME_S;
  return { value: answer.access_token, usableUntil: now() + (lifetime - Math.min(MAX_MARGIN_S, lifetime / 10)) * 1000 };
}

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined by a colon. */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}
