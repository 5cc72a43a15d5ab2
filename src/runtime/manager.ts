/**
 * Starts and stops the whole program in order.
 *
 * Start: servers that must answer from the first moment · caches, until each is filled · what runs on
 * every replica · the election, and with each term of leadership what only the leader runs.
 * Stop: readiness fails, and everything goes on until those who send have been told · leader's work
 * ends and the lease is released · the rest, in reverse order.
 * Whatever begins work ends before whatever it relies on.
 */
import type { Logger } from '../telemetry/log.ts';
import type { Clock } from './clock.ts';
import type { Elector } from './elector.ts';
import { Group } from './group.ts';
import { aborted } from './runnable.ts';
import type { Runnable, Term } from './runnable.ts';

/** What the manager needs of an informer. */
export interface Cache {
  readonly resource: { readonly plural: string };
  start(signal: AbortSignal): Promise<void>;
  hasSynced(): boolean;
  waitForSync(signal?: AbortSignal): Promise<void>;
}

export interface ManagerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly caches: readonly Cache[];
  /** Started before the caches are filled: the ops server, which says that they are not. */
  readonly first?: readonly Runnable[];
  /** Run on every replica once the caches are filled: ingest, the Events recorder. */
  readonly always?: readonly Runnable[];
  /** Run while this replica leads, possibly many times: controllers, the emitter. */
  readonly leaderOnly?: readonly Runnable[];
  /** Without one this process runs the leader's work at once, and must be the only one. */
  readonly elector?: Elector;
  /** How long the caches may take to fill, in milliseconds. @default 120_000 */
  readonly syncTimeoutMs?: number;
  /**
   * May this process act at all? Asked when the caches are filled, before `always` runs, and again at the beginning of each
   * term of leadership, before its work. What it rejects with ends the program, unless the signal has aborted.
   */
  readonly admit?: (signal: AbortSignal) => Promise<void>;
  /** How long everything goes on after readiness has failed, in milliseconds: until then a Service may still send to us. @default 0 */
  readonly drainMs?: number;
  /** How long a stop may take after that, in milliseconds; after two thirds of it work is aborted. @default 30_000 */
  readonly stopTimeoutMs?: number;
}

/** Answer of a probe; `reasons` say what is missing. */
export interface Health {
  readonly ok: boolean;
  readonly reasons: readonly string[];
}

/** The caches were not filled in time: most often a CRD is not installed or a role lacks a rule. */
export class CacheSyncError extends Error {
  constructor(resources: readonly string[], timeoutMs: number) {
    super(`no complete list of ${resources.join(', ')} within ${timeoutMs / 1000} s: check that the CRDs are installed and that the ServiceAccount may list and watch them`);
    this.name = 'CacheSyncError';
  }
}

/** Something did not end within the bound of a stop. */
export class StopTimeoutError extends Error {
  constructor(running: readonly string[], timeoutMs: number) {
    super(`still running ${timeoutMs / 1000} s after being told to stop: ${running.join(', ')}`);
    this.name = 'StopTimeoutError';
  }
}

export class Manager {
  private readonly options: ManagerOptions;
  private state: 'starting' | 'running' | 'draining' | 'stopping' | 'stopped' = 'starting';
  private failure: Error | undefined;
  /** Aborts when a part fails. */
  private readonly broken = new AbortController();
  /** The leader's work of the running term. */
  private term: Group | undefined;

  constructor(options: ManagerOptions) {
    this.options = options;
  }

  /** For /readyz: may this replica be sent events? A standby is as ready as the leader. */
  ready(): Health {
    const waiting = this.options.caches.filter((cache) => !cache.hasSynced()).map((cache) => `the cache of ${cache.resource.plural} is not filled`);
    const reasons = [...waiting, ...(this.state === 'running' ? [] : [`the controller is ${this.state}`])];
    return { ok: reasons.length === 0, reasons };
  }

  /** Whether what is sent to this replica all the same is taken: also while it is not ready any more and others are still being told so. */
  serves(): boolean {
    return this.state === 'running' || this.state === 'draining';
  }

  /** For /healthz: would a restart help? */
  healthy(): Health {
    return this.failure ? { ok: false, reasons: [this.failure.message] } : { ok: true, reasons: [] };
  }

  /**
   * Runs until `stop` aborts or a part fails, and resolves when everything has ended.
   * @throws CacheSyncError, StopTimeoutError, or what a part failed with
   */
  async run(stop: AbortSignal): Promise<void> {
    const { clock, log, first = [], always = [], drainMs = 0, stopTimeoutMs = 30_000 } = this.options;
    const stopping = new AbortController();
    const fail = (error: Error): void => {
      this.failure ??= error;
      stopping.abort(error);
      this.broken.abort(error);
    };
    const onStop = (): void => stopping.abort(stop.reason);
    if (stop.aborted) onStop();
    stop.addEventListener('abort', onStop, { once: true });

    const caches = new AbortController();
    const groups = [new Group(first, fail), new Group(always, fail), new Group([this.leading()], fail)] as const;
    const [servers, everywhere, leading] = groups;
    const fed = this.options.caches.map((cache) => cache.start(caches.signal).catch(fail));
    try {
      servers.start();
      await this.fillCaches(stopping.signal);
      await this.options.admit?.(stopping.signal);
      everywhere.start();
      leading.start();
      this.state = 'running';
      log.info('running');
      await aborted(stopping.signal);
      await this.drain(drainMs);
    } catch (error) {
      if (!stopping.signal.aborted) fail(error as Error);
    }
    stop.removeEventListener('abort', onStop);

    this.state = 'stopping';
    log.info({ reason: String(stopping.signal.reason) }, 'stopping');
    const cancelAbort = clock.setTimeout(() => groups.forEach((group) => group.abort(new Error('the time to stop is over'))), (stopTimeoutMs * 2) / 3);
    const wound = (async () => {
      for (const group of [leading, everywhere, servers]) await group.stop(new Error('the program is stopping'));
      caches.abort(new Error('the program is stopping'));
      await Promise.all(fed);
    })();
    const inTime = await within(clock, wound, stopTimeoutMs);
    cancelAbort();
    caches.abort(new Error('the program is stopping'));
    if (!inTime) fail(new StopTimeoutError([...(this.term?.running() ?? []), ...groups.flatMap((group) => group.running())], stopTimeoutMs));
    this.state = 'stopped';
    log.info('stopped');
    if (this.failure) throw this.failure;
  }

  /** Readiness fails and the work goes on; a part that fails, before or meanwhile, ends the wait. */
  private async drain(ms: number): Promise<void> {
    if (this.failure || ms === 0) return;
    this.state = 'draining';
    this.options.log.info({ ms }, 'draining: not ready any more, still serving');
    await this.options.clock.sleep(ms, this.broken.signal).catch(() => undefined);
  }

  private async fillCaches(stopping: AbortSignal): Promise<void> {
    const { clock, log, caches, syncTimeoutMs = 120_000 } = this.options;
    const start = clock.monotonic();
    const filled = await within(clock, Promise.all(caches.map((cache) => cache.waitForSync(stopping))), syncTimeoutMs);
    if (!filled) throw new CacheSyncError(caches.filter((cache) => !cache.hasSynced()).map((cache) => cache.resource.plural), syncTimeoutMs);
    log.info({ caches: caches.length, ms: Math.round(clock.monotonic() - start) }, 'caches filled');
  }

  /** False: the term is over before it has begun. @throws what speaks against it */
  private async isAdmitted(closing: AbortSignal): Promise<boolean> {
    try {
      await this.options.admit?.(closing);
    } catch (error) {
      if (!closing.aborted) throw error;
    }
    return !closing.aborted;
  }

  /** The election and the leader's work, as one runnable. */
  private leading(): Runnable {
    const { elector } = this.options;
    const lead = (term: Term): Promise<void> => this.lead(term);
    return { name: 'leader', run: (term) => (elector ? elector.run(term, lead) : lead(term)) };
  }

  /** One term: runs what only the leader runs. If a part fails the others are ended, and its error is thrown. */
  private async lead(term: Term): Promise<void> {
    if (!(await this.isAdmitted(term.closing))) return;
    const failed = Promise.withResolvers<Error>();
    const group = new Group(this.options.leaderOnly ?? [], (error) => failed.resolve(error));
    const onEnded = (): void => group.abort(term.ended.reason as Error);
    term.ended.addEventListener('abort', onEnded, { once: true });
    this.term = group;
    group.start();
    const failure = await Promise.race([aborted(term.closing), failed.promise]);
    if (term.ended.aborted) onEnded();
    await group.stop(failure ?? (term.closing.reason as Error));
    term.ended.removeEventListener('abort', onEnded);
    this.term = undefined;
    if (failure) throw failure;
  }
}

/** Whether `work` ended within `ms`. @throws what it rejects with */
async function within(clock: Clock, work: Promise<unknown>, ms: number): Promise<boolean> {
  let cancel = (): void => undefined;
  const over = new Promise<boolean>((resolve) => {
    cancel = clock.setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), over]);
  } finally {
    cancel();
  }
}
