/** Keeps a sink equal to a resource on the API server: list, watch, resume, for as long as the signal lasts. */
import type { KubeClient } from './client.ts';
import { sleep } from './backoff.ts';
import { ProtocolError, WatchIdleError } from './errors.ts';
import type { KubeLogger, KubeMetrics, WatchEnd } from './observe.ts';
import { advance, initialState, type Action, type Outcome, type ReflectorTiming } from './reflector-state.ts';
import { objectKey, resourceName, type KubeObject, type Resource } from './types.ts';

/** Who is kept equal. */
export interface ReflectorSink<T> {
  /** The whole content, consistent at one version. */
  replace(items: T[], resourceVersion: string): void;
  /** One change, in the order of the versions. */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void;
}

export interface ReflectorOptions extends Partial<ReflectorTiming> {
  /** Default: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Items of a page of a list. @default 500 */
  pageSize?: number;
  /** Ask for lists as streams where the server can. @default true */
  streaming?: boolean;
  /** Seconds after which the server is to end a watch: a random number between the two, so that clients do not come back in step. @default [300, 600] */
  watchSeconds?: readonly [number, number];
  /** Silence after which a watch is resumed on a new connection, in milliseconds. @default 75_000 */
  idleMs?: number;
  /** Longest event in bytes. @default 16 MiB */
  maxLineBytes?: number;
}

export type ReflectorPhase = 'listing' | 'watching' | 'waiting' | 'stopped';

export interface ReflectorStats {
  phase: ReflectorPhase;
  /** Whole lists taken over, the first one included. */
  relists: number;
  /** Watches opened after the first. */
  reconnects: number;
  /** Epoch milliseconds of the last event or bookmark. */
  lastEventAt: number | undefined;
  lastError: string | undefined;
}

class RelistWanted extends Error {}

/** Asked through a function, since the answer changes while we wait. */
const isAborted = (signal: AbortSignal): boolean => signal.aborted;

export class Reflector<T extends KubeObject> {
  readonly #client: KubeClient;
  readonly #resource: Resource<T>;
  readonly #sink: ReflectorSink<T>;
  readonly #options: ReflectorOptions;
  readonly #timing: ReflectorTiming;
  readonly #log: KubeLogger;
  readonly #metrics: KubeMetrics;
  readonly #fields: object;
  #round = new AbortController();
  #watches = 0;
  #version: string | undefined;
  readonly #stats: Omit<ReflectorStats, 'reconnects'> = { phase: 'stopped', relists: 0, lastEventAt: undefined, lastError: undefined };

  constructor(client: KubeClient, resource: Resource<T>, sink: ReflectorSink<T>, options: ReflectorOptions, log: KubeLogger, metrics: KubeMetrics) {
    this.#client = client;
    this.#resource = resource;
    this.#sink = sink;
    this.#options = options;
    this.#timing = { backoff: options.backoff ?? { baseMs: 800, maxMs: 30_000 }, shortWatchMs: options.shortWatchMs ?? 1000 };
    this.#log = log;
    this.#metrics = metrics;
    this.#fields = { resource: resourceName(resource), ...(options.namespace === undefined ? {} : { namespace: options.namespace }) };
  }

  get stats(): ReflectorStats {
    return { ...this.#stats, reconnects: Math.max(0, this.#watches - 1) };
  }

  /** The newest version that the sink is known to contain: of the last list, event or bookmark. */
  get resourceVersion(): string | undefined {
    return this.#version;
  }

  /** Takes over a whole list now, whatever the reflector is doing. */
  relist(): void {
    this.#round.abort(new RelistWanted());
  }

  /** Runs until the signal is aborted; never fails. */
  async run(signal: AbortSignal): Promise<void> {
    let state = initialState(this.#options.streaming ?? true);
    // One listener for all rounds: AbortSignal.any would leave something behind on the long-lived signal each time.
    signal.addEventListener('abort', () => this.#round.abort(signal.reason), { once: true });
    for (;;) {
      this.#round = new AbortController();
      if (isAborted(signal)) break;
      const outcome = await this.#perform(state.action, state.waitMs, this.#round.signal);
      if (isAborted(signal)) break;
      this.#report(outcome);
      state = advance(state, outcome, this.#timing, Math.random());
    }
    this.#stats.phase = 'stopped';
  }

  async #perform(action: Action, waitMs: number, signal: AbortSignal): Promise<Outcome> {
    try {
      if (waitMs > 0) {
        this.#stats.phase = 'waiting';
        await sleep(waitMs, signal);
      }
      if (action.do === 'watch') return await this.#watch(action.resourceVersion, undefined, signal);
      this.#stats.phase = 'listing';
      return action.stream ? await this.#watch(action.resourceVersion, new Map(), signal) : await this.#list(action.resourceVersion, signal);
    } catch (error) {
      // Only the abort of this round gets here: everything else is an outcome.
      if (!signal.aborted) throw error;
      return { kind: 'relist-wanted' };
    }
  }

  async #list(version: string, signal: AbortSignal): Promise<Outcome> {
    const { namespace, labelSelector, fieldSelector, pageSize = 500 } = this.#options;
    const items: T[] = [];
    let token: string | undefined;
    try {
      do {
        const page = await this.#client.list(this.#resource, {
          namespace,
          labelSelector,
          fieldSelector,
          limit: pageSize,
          signal,
          // A continue token carries the version. Without an explicit match a limit would ask for exactly that old version.
          ...(token === undefined ? { resourceVersion: version, ...(version === '' ? {} : { resourceVersionMatch: 'NotOlderThan' }) } : { continue: token }),
          // The loop of the reflector tries again, but a single page should not throw away the pages before it.
          ...(token === undefined ? { retries: 0 } : {}),
        });
        items.push(...page.items);
        token = page.continue;
        if (token === undefined) this.#takeOver(items, page.resourceVersion);
      } while (token !== undefined);
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'list-failed', error };
    }
    return { kind: 'listed', resourceVersion: this.#version ?? '' };
  }

  /**
   * One watch. With `initial`, the state comes first: it is collected there and taken over at once, at the bookmark that ends it.
   * The versions of those synthetic events mean nothing, for they come in no order.
   */
  async #watch(version: string, initial: Map<string, T> | undefined, signal: AbortSignal): Promise<Outcome> {
    const { namespace, labelSelector, fieldSelector, idleMs, maxLineBytes, watchSeconds: [least, most] = [300, 600] } = this.#options;
    let collecting = initial;
    let resourceVersion = version;
    let openedAt: number | undefined;
    let events = 0;
    let failure: unknown;
    try {
      const watch = this.#client.watch(this.#resource, {
        namespace,
        labelSelector,
        fieldSelector,
        resourceVersion: version,
        allowWatchBookmarks: true,
        ...(initial === undefined ? {} : { sendInitialEvents: true }),
        timeoutSeconds: Math.round(least + (most - least) * Math.random()),
        ...(idleMs === undefined ? {} : { idleMs }),
        ...(maxLineBytes === undefined ? {} : { maxLineBytes }),
        signal,
        onOpen: () => {
          openedAt = performance.now();
          this.#watches += 1;
          if (initial === undefined) this.#stats.phase = 'watching';
        },
      });
      for await (const event of watch) {
        events += 1;
        this.#stats.lastEventAt = Date.now();
        if (event.type === 'BOOKMARK') {
          if (collecting !== undefined) {
            if (!event.initialEventsEnd) continue;
            this.#takeOver([...collecting.values()], event.resourceVersion);
            this.#stats.phase = 'watching';
            collecting = undefined;
          }
          resourceVersion = this.#version = event.resourceVersion;
        } else if (collecting === undefined) {
          // Before the handlers: what they read of us must include this change.
          resourceVersion = this.#version = event.object.metadata.resourceVersion;
          this.#sink.apply(event.type, event.object);
        } else if (event.type === 'DELETED') {
          collecting.delete(objectKey(event.object));
        } else {
          collecting.set(objectKey(event.object), event.object);
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
    if (collecting !== undefined) return { kind: 'list-failed', error: failure ?? new ProtocolError('the stream ended before the whole list was sent') };
    return { kind: 'watch-ended', resourceVersion, openMs: openedAt === undefined ? undefined : performance.now() - openedAt, events, error: failure };
  }

  #takeOver(items: T[], resourceVersion: string): void {
    this.#version = resourceVersion;
    this.#stats.relists += 1;
    this.#metrics.relist(resourceName(this.#resource));
    this.#sink.replace(items, resourceVersion);
    this.#log.debug({ ...this.#fields, resourceVersion, items: items.length }, 'list taken over');
  }

  #report(outcome: Outcome): void {
    const error = outcome.kind === 'list-failed' || outcome.kind === 'watch-ended' ? outcome.error : undefined;
    const idle = error instanceof WatchIdleError;
    if (error !== undefined && !idle) {
      this.#stats.lastError = error instanceof Error ? error.message : 'unknown';
      this.#log.warn({ ...this.#fields, err: error, outcome: outcome.kind }, 'watching failed, will go on');
    }
    if (outcome.kind !== 'watch-ended') return;
    const reason: WatchEnd = idle ? 'idle' : error === undefined ? 'closed' : 'error';
    this.#metrics.watchEnded(resourceName(this.#resource), reason);
    if (error === undefined || idle) this.#log.debug({ ...this.#fields, reason, events: outcome.events }, 'watch ended, resuming');
  }
}
