/**
 * What the owner of a token may see of the fleet. The API server judges (TokenReview, SubjectAccessReview), as it would
 * judge kubectl; its answers are believed for a short time, since every stream and every story asks anew.
 */
import { bulkhead } from 'cockatiel';
import { GROUP } from '../api/group.ts';
import type { Access, KubeUser } from '../kube/access-review.ts';
import type { Scope } from './page/messages.ts';

export interface Reviewers {
  /** Whose token is it? Undefined: nobody's. It remembers answers by itself (src/events/token-reviews.ts). */
  readonly whoIs: (token: string) => Promise<KubeUser | undefined>;
  readonly mayDo: (user: KubeUser, access: Access, signal: AbortSignal) => Promise<boolean>;
}

/** What is asked for is refused; the message says what would help. */
export class AccessError extends Error {
  readonly status: 400 | 401 | 403;
  constructor(status: 400 | 401 | 403, message: string) {
    super(message);
    this.name = 'AccessError';
    this.status = status;
  }
}

/** The API server cannot say at the moment. */
export class ReviewError extends Error {
  constructor(cause: unknown) {
    super('rights cannot be checked at the moment; try again in a moment', { cause });
    this.name = 'ReviewError';
  }
}

/** For so long an answer is believed, in milliseconds. */
const BELIEVED_MS = 30_000;
const ANSWERS_KEPT = 10_000;
const TIMEOUT_MS = 10_000;
/** Readers must not take the connections that status writes need. */
const REVIEWS_AT_A_TIME = 8;
const REVIEWS_WAITING = 1000;
/** In so many namespaces one person's rights are asked for one by one; who may list in all of them is asked about once. */
const NAMESPACES_MAX = 200;

const SESSIONS = { group: GROUP, resource: 'labletsessions' };
const WORKERS = { group: GROUP, resource: 'workers' };

export class PageAccess {
  readonly #reviewers: Reviewers;
  readonly #room = bulkhead(REVIEWS_AT_A_TIME, REVIEWS_WAITING);
  readonly #answers = new Map<string, { readonly until: number; readonly answer: Promise<boolean> }>();

  constructor(reviewers: Reviewers) {
    this.#reviewers = reviewers;
  }

  /** @throws AccessError if it is nobody's token; ReviewError if nobody can say at the moment */
  async userOf(token: string | undefined): Promise<KubeUser> {
    if (token === undefined) throw new AccessError(401, "send 'Authorization: Bearer TOKEN'; kubectl create token NAME makes one");
    const user = await this.#reviewers.whoIs(token).catch((error: unknown) => {
      throw new ReviewError(error);
    });
    if (!user) throw new AccessError(401, 'the token is not valid, or not any more');
    return user;
  }

  /** @throws AccessError if the user may not get sessions in the namespace */
  async toReadOne(user: KubeUser, namespace: string): Promise<void> {
    if (!(await this.#may(user, { ...SESSIONS, verb: 'get', namespace }))) throw new AccessError(403, `${user.username} may not get labletsessions.${GROUP} in namespace ${namespace}`);
  }

  /**
   * What the user may list: sessions of all namespaces or of some, workers.
   * @param namespaces that hold sessions. @param asked only this one
   * @throws AccessError if that is nothing at all, or if there are too many namespaces to ask for each
   */
  async scopeOf(user: KubeUser, namespaces: readonly string[], asked: string | undefined): Promise<Scope> {
    const list = (namespace?: string): Promise<boolean> => this.#may(user, { ...SESSIONS, verb: 'list', namespace });
    const [everywhere, workers] = await Promise.all([asked === undefined ? list() : false, this.#may(user, { ...WORKERS, verb: 'list' })]);
    if (everywhere) return { user: user.username, namespaces: '*', workers };
    const candidates = asked === undefined ? namespaces : [asked];
    if (candidates.length > NAMESPACES_MAX) throw new AccessError(400, `sessions are in ${candidates.length} namespaces, and ${user.username} may not list them in all: name the one that is wanted`);
    const allowed = await Promise.all(candidates.map(list));
    const permitted = candidates.filter((_, index) => allowed[index] === true);
    if (permitted.length === 0 && !workers) throw new AccessError(403, `${user.username} may list neither workers.${GROUP} nor labletsessions.${GROUP} ${asked === undefined ? 'in any namespace that holds sessions' : `in namespace ${asked}`}`);
    return { user: user.username, namespaces: permitted, workers };
  }

  /** Who asks the same at the same time shares the question; a question that fails is not remembered. */
  #may(user: KubeUser, access: Access): Promise<boolean> {
    const key = JSON.stringify([user, access]);
    const known = this.#answers.get(key);
    if (known && performance.now() < known.until) return known.answer;
    const answer = this.#room.execute(() => this.#reviewers.mayDo(user, access, AbortSignal.timeout(TIMEOUT_MS))).catch((error: unknown) => {
      this.#answers.delete(key);
      throw new ReviewError(error);
    });
    this.#answers.delete(key);
    this.#answers.set(key, { until: performance.now() + BELIEVED_MS, answer });
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > ANSWERS_KEPT && oldest !== undefined) this.#answers.delete(oldest);
    return answer;
  }
}
