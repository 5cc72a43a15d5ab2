/**
 * The fleet as it is now, and every change of it, as a stream of JSON lines to each page that is open. It comes from the
 * caches of this replica, so any replica serves it and the API server is not asked for objects. Several changes of one
 * object make one line, and a page that reads slowly gets fewer and later lines, not a longer queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { objectKey } from '../api/meta.ts';
import { AccessError, ReviewError } from './page-access.ts';
import { sessionRow, workerRow } from './page-model.ts';
import { isWithin } from './page/layout.ts';
import type { LabletSession } from '../api/labletsession.ts';
import type { KubeObject } from '../api/meta.ts';
import type { Worker } from '../api/worker.ts';
import type { LiveMessage, Scope, SessionRow, WorkerRow } from './page/messages.ts';
import type { Window } from './page/layout.ts';
import type { Writable } from 'node:stream';

/** What is read of a cache. */
export interface PageCache<T extends KubeObject> {
  get(key: string): T | undefined;
  list(): T[];
  hasSynced(): boolean;
  onChange(handler: (old: T | undefined, next: T | undefined) => void): void;
}

export interface LiveTuning {
  /** Changes are gathered for so long. @default 250 */
  readonly gatherMs?: number;
  /** The longest silence. @default 15_000 */
  readonly aliveMs?: number;
  /** Rights are asked for again after so long. @default 60_000 */
  readonly reviewMs?: number;
  /** A page that takes nothing for so long is cut off. @default 30_000 */
  readonly stalledMs?: number;
  /** Most pages at a time. @default 100 */
  readonly pages?: number;
  /** Most pages of one user. @default 10 */
  readonly pagesOfOne?: number;
}

/** One page that is open. */
interface Page {
  readonly user: string;
  readonly window: Window;
  /** What its user may see; undefined until it was asked for. */
  scope: Scope | undefined;
  /** Namespaces that held sessions when rights were asked for last. */
  reviewed: ReadonlySet<string>;
  /** Keys of what has changed since the last line. */
  readonly sessions: Set<string>;
  readonly workers: Set<string>;
  /** Ends its wait. */
  wake: () => void;
  readonly end: AbortController;
}

/** What a user may see. @throws AccessError if nothing, ReviewError if nobody can say */
export type Review = (namespaces: readonly string[]) => Promise<Scope>;

/** There are too many pages, or this replica is not ready or is leaving; another may serve. */
export class BusyError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BusyError';
  }
}

export class LiveFleet {
  readonly #sessions: PageCache<LabletSession>;
  readonly #workers: PageCache<Worker>;
  readonly #now: () => Date;
  readonly #tuning: Required<LiveTuning>;
  readonly #open = new Set<Page>();
  #isClosed = false;

  constructor(caches: { readonly sessions: PageCache<LabletSession>; readonly workers: PageCache<Worker> }, now: () => Date, tuning: LiveTuning = {}) {
    [this.#sessions, this.#workers, this.#now] = [caches.sessions, caches.workers, now];
    this.#tuning = { gatherMs: 250, aliveMs: 15_000, reviewMs: 60_000, stalledMs: 30_000, pages: 100, pagesOfOne: 10, ...tuning };
    caches.sessions.onChange((old, next) => this.#note('sessions', next ?? old));
    caches.workers.onChange((old, next) => this.#note('workers', next ?? old));
  }

  /** Namespaces that hold sessions now. @throws BusyError before the caches are filled */
  namespaces(): string[] {
    this.#serves();
    return [...new Set(this.#sessions.list().map(({ metadata }) => metadata.namespace ?? ''))].sort();
  }

  /** One session. @throws BusyError before the caches are filled */
  session(key: string): LabletSession | undefined {
    this.#serves();
    return this.#sessions.get(key);
  }

  /** Ends every stream, and refuses new ones: the program is stopping, and pages find another replica. */
  close(): void {
    this.#isClosed = true;
    for (const page of this.#open) page.end.abort();
  }

  /**
   * Takes a place for a page of `user`; it is free again when the promise of the function that it returns resolves.
   * That one writes lines to `out` until either side ends.
   * @param review what the user may see, of the namespaces that hold sessions
   * @throws BusyError if there is no place
   */
  admit(user: string, window: Window): (out: Writable, review: Review) => Promise<void> {
    this.#serves();
    const own = [...this.#open].filter((page) => page.user === user).length;
    if (this.#open.size >= this.#tuning.pages) throw new BusyError(`${this.#tuning.pages} pages are open, which is all that this replica serves; close one, or try again later`);
    if (own >= this.#tuning.pagesOfOne) throw new BusyError(`${user} has ${own} pages open, which is the most for one user; close one`);
    const page: Page = { user, window, scope: undefined, reviewed: new Set(), sessions: new Set(), workers: new Set(), wake: () => undefined, end: new AbortController() };
    this.#open.add(page);
    return async (out, review) => {
      const gone = (): void => page.end.abort();
      out.once('close', gone).once('error', gone);
      try {
        await this.#feed(page, out, review);
      } catch (error) {
        if (!page.end.signal.aborted) throw error;
      } finally {
        this.#open.delete(page);
        out.end();
      }
    };
  }

  async #feed(page: Page, out: Writable, review: Review): Promise<void> {
    const { gatherMs, aliveMs, reviewMs } = this.#tuning;
    const { signal } = page.end;
    let reviewedAt = -Infinity;
    for (;;) {
      signal.throwIfAborted();
      const isUnknown = [...page.sessions].some((key) => !page.reviewed.has(namespaceOf(key)));
      const before = page.scope;
      if (before === undefined || isUnknown || performance.now() - reviewedAt >= reviewMs) {
        try {
          await this.#review(page, review);
        } catch (error) {
          // Nobody sees on what nobody confirms. The page asks again, and is told what is wrong.
          if (!(error instanceof AccessError || error instanceof ReviewError)) throw error;
          await this.#send(page, out, { kind: 'end', error: error.message });
          return;
        }
        reviewedAt = performance.now();
      }
      const { scope } = page;
      if (scope === undefined) return;
      await this.#send(page, out, JSON.stringify(scope) === JSON.stringify(before) ? this.#changes(page, scope) : this.#all(page, scope));
      await this.#changeOrSilence(page, aliveMs);
      await sleep(gatherMs, undefined, { signal });
    }
  }

  async #review(page: Page, review: Review): Promise<void> {
    const namespaces = this.namespaces();
    page.scope = await review(namespaces);
    page.reviewed = new Set(namespaces);
  }

  #all(page: Page, scope: Scope): LiveMessage {
    page.sessions.clear();
    page.workers.clear();
    const now = this.#now().getTime();
    const sessions = this.#sessions.list().filter((session) => isSeen(scope, session.metadata.namespace)).map(sessionRow);
    return { kind: 'all', now, scope, sessions: sessions.filter((row) => isWithin(row, page.window, now)), workers: scope.workers ? this.#workers.list().map(workerRow) : [] };
  }

  /** What has changed since the last line. A session that has left the window counts as gone. */
  #changes(page: Page, scope: Scope): LiveMessage {
    const now = this.#now().getTime();
    const [sessions, workers, goneSessions, goneWorkers]: [SessionRow[], WorkerRow[], string[], string[]] = [[], [], [], []];
    for (const key of page.sessions) {
      if (!isSeen(scope, namespaceOf(key))) continue;
      const session = this.#sessions.get(key);
      const row = session && sessionRow(session);
      if (row && isWithin(row, page.window, now)) sessions.push(row);
      else goneSessions.push(key);
    }
    for (const name of scope.workers ? page.workers : []) {
      const worker = this.#workers.get(name);
      if (worker) workers.push(workerRow(worker));
      else goneWorkers.push(name);
    }
    page.sessions.clear();
    page.workers.clear();
    const isSomething = sessions.length + workers.length + goneSessions.length + goneWorkers.length > 0;
    return isSomething ? { kind: 'change', now, sessions, workers, goneSessions, goneWorkers } : { kind: 'alive', now };
  }

  async #send(page: Page, out: Writable, message: LiveMessage): Promise<void> {
    if (page.end.signal.aborted || out.write(`${JSON.stringify(message)}\n`)) return;
    const drained = new AbortController();
    const onDrain = (): void => drained.abort();
    out.once('drain', onDrain);
    await sleep(this.#tuning.stalledMs, undefined, { signal: AbortSignal.any([drained.signal, page.end.signal]) }).catch(() => undefined);
    if (!drained.signal.aborted) {
      page.end.abort();
      out.destroy();
    }
  }

  async #changeOrSilence(page: Page, ms: number): Promise<void> {
    if (page.sessions.size + page.workers.size > 0) return;
    const woken = new AbortController();
    page.wake = () => woken.abort();
    await sleep(ms, undefined, { signal: AbortSignal.any([woken.signal, page.end.signal]) }).catch(() => undefined);
    page.wake = () => undefined;
    page.end.signal.throwIfAborted();
  }

  /** What a page's user may not see does not even wake it, but for a namespace that nobody has asked about yet. */
  #note(kind: 'sessions' | 'workers', object: KubeObject | undefined): void {
    if (!object) return;
    const key = objectKey(object);
    for (const page of this.#open) {
      const { scope, reviewed } = page;
      const isOfInterest = scope === undefined || (kind === 'workers' ? scope.workers : isSeen(scope, namespaceOf(key)) || !reviewed.has(namespaceOf(key)));
      if (!isOfInterest) continue;
      page[kind].add(key);
      page.wake();
    }
  }

  #serves(): void {
    if (this.#isClosed) throw new BusyError('this replica is stopping; another one serves the page');
    if (!this.#sessions.hasSynced() || !this.#workers.hasSynced()) throw new BusyError('the caches of this replica are being filled; try again in a moment');
  }
}

const namespaceOf = (key: string): string => key.slice(0, key.indexOf('/'));

const isSeen = ({ namespaces }: Scope, namespace = ''): boolean => namespaces === '*' || namespaces.includes(namespace);
