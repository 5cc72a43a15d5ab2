/** Whose a bearer token is: asked of the API server, and remembered for a short time. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { RecentMap } from '../runtime/recent-map.ts';
import type { Clock } from '../runtime/clock.ts';

/** For so long an answer is believed: a token that was withdrawn is good for no longer than that. */
const VALID_FOR_MS = 60_000;
/** Shorter for a refusal, which may be about a ServiceAccount that is just being made. */
const INVALID_FOR_MS = 10_000;
/** Answers of each kind that are kept: a flood of invalid tokens does not push out the valid ones. */
const KEPT = 1000;

/**
 * Asks whose a token is.
 * @returns the subject, as much of it as is wanted; undefined: the token is not valid for our audience
 * @throws if nobody can say at the moment
 */
export type ReviewToken<Subject = string> = (token: string) => Promise<Subject | undefined>;

interface Answer<Subject> {
  readonly subject: Subject | undefined;
  /** Monotonic. */
  readonly until: number;
}

export class TokenReviews<Subject = string> {
  readonly #review: ReviewToken<Subject>;
  readonly #clock: Clock;
  readonly #valid = new RecentMap<Answer<Subject>>(KEPT);
  readonly #invalid = new RecentMap<Answer<Subject>>(KEPT);
  readonly #underWay = new Map<string, Promise<Subject | undefined>>();

  constructor(review: ReviewToken<Subject>, clock: Clock) {
    this.#review = review;
    this.#clock = clock;
  }

  /**
   * The subject of a token, undefined if it is not valid. Tokens are told apart by their SHA-256; none is kept. Requests
   * that bring the same token at the same time share one review.
   * @throws what the review failed with; a failure is not remembered
   */
  async subjectOf(token: string): Promise<Subject | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#valid.get(key) ?? this.#invalid.get(key);
    if (known && this.#clock.monotonic() < known.until) return known.subject;
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const asked = this.#ask(key, token).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, asked);
    return asked;
  }

  async #ask(key: string, token: string): Promise<Subject | undefined> {
    this.#valid.delete(key);
    this.#invalid.delete(key);
    const subject = await this.#review(token);
    const now = this.#clock.monotonic();
    if (subject === undefined) this.#invalid.set(key, { subject, until: now + INVALID_FOR_MS });
    else this.#valid.set(key, { subject, until: now + Math.min(VALID_FOR_MS, lifetimeMs(token, this.#clock.now())) });
    return subject;
  }
}

/** Of a JWT only its end matters here, and who signed it was just asked. */
const claims = z.object({ exp: z.number() });

/** How long a token is valid still; for ever if it does not say. */
function lifetimeMs(token: string, now: Date): number {
  try {
    const { exp } = claims.parse(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')));
    return exp * 1000 - now.getTime();
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
