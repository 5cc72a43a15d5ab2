/** Whose a bearer token is, for every endpoint that asks: remembered, and never more than a few questions at a time. */
import { bulkhead } from 'cockatiel';
import { TokenReviews } from '../events/token-reviews.ts';
import { whoIs } from '../kube/access-review.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeUser } from '../kube/access-review.ts';
import type { Clock } from '../runtime/clock.ts';

/** A review must not hold a sender for long: it comes again. */
const REVIEW_TIMEOUT_MS = 5000;
/** Strangers with tokens of no worth must not take the connections that status writes need. */
const REVIEWS_AT_A_TIME = 8;
const REVIEWS_WAITING = 1000;

/** @param audience that tokens must be made for; default: the API server itself */
export function tokenReviews(client: KubeClient, clock: Clock, audience?: string): TokenReviews<KubeUser> {
  const few = bulkhead(REVIEWS_AT_A_TIME, REVIEWS_WAITING);
  return new TokenReviews((token) => few.execute(() => whoIs(client, token, AbortSignal.timeout(REVIEW_TIMEOUT_MS), audience)), clock);
}
