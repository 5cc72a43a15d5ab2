/** A cache of one resource that stays equal to the API server, and tells of every change. */
import { audit } from './audit.ts';
import { sleep } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { noMetrics, silentLogger, type KubeLogger, type KubeMetrics } from './observe.ts';
import { Reflector, type ReflectorOptions, type ReflectorStats } from './reflector.ts';
import { isNewer } from './resource-version.ts';
import { ObjectStore, type Change, type IndexFunction } from './store.ts';
import { objectKey, resourceName, type KubeObject, type Resource } from './types.ts';

export interface InformerOptions<T> extends Omit<ReflectorOptions, 'namespace'> {
  /** Default: all namespaces. Each has a watch of its own. */
  namespaces?: readonly string[] | undefined;
  /** Makes objects smaller before they are kept, e.g. drops the data of Secrets. managedFields are dropped in any case. */
  prune?: (object: T) => T;
  /** How often the cache is compared with a list, in milliseconds, ± 10 %; 0: never. @default 600_000 */
  auditMs?: number;
  /** @default 90_000, see `AuditOptions.graceMs` */
  auditGraceMs?: number;
  logger?: KubeLogger;
  metrics?: KubeMetrics;
}

/** `old` undefined: added; `next` undefined: deleted. Handlers put keys into queues and do nothing else: they hold up the watch. */
export type ChangeHandler<T> = (old: T | undefined, next: T | undefined) => void;

export interface InformerStats extends Omit<ReflectorStats, 'phase'> {
  objects: number;
  synced: boolean;
  /** Changes that audits found missing. */
  missed: number;
  /** One phase a watch. */
  phases: ReflectorStats['phase'][];
}

/** One watch and the part of the cache that it speaks for. */
interface Scope<T extends KubeObject> {
  namespace: string | undefined;
  holds: (key: string) => boolean;
  reflector: Reflector<T>;
  synced: boolean;
}

/**
 * Guarantees: after `waitForSync` the cache is the state of the API server at some version, and it moves on to newer ones only.
 * Every object reaches its last version here and each handler is called for it, but versions in between may be skipped, and a delete
 * and re-create during a gap is told as such. Objects are shared: read-only by contract.
 */
export class Informer<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly #client: KubeClient;
  readonly #options: InformerOptions<T>;
  readonly #log: KubeLogger;
  readonly #metrics: KubeMetrics;
  readonly #store: ObjectStore<T>;
  readonly #scopes: Scope<T>[];
  readonly #handlers: ChangeHandler<T>[] = [];
  /** Versions that we took from the answers to our own writes and that the watch has not brought yet, by key. */
  readonly #observed = new Map<string, string>();
  readonly #synced = Promise.withResolvers<undefined>();
  #running: Promise<void> | undefined;
  #missed = 0;
  /** Keys that the watch has changed since the running audit began. */
  #changedDuringAudit: Set<string> | undefined;

  constructor(client: KubeClient, resource: Resource<T>, options: InformerOptions<T> = {}) {
    this.resource = resource;
    this.#client = client;
    this.#options = options;
    this.#log = options.logger ?? silentLogger;
    this.#metrics = options.metrics ?? noMetrics;
    this.#store = new ObjectStore<T>((index, key, error) => this.#handlerFailed(error, { index, key }));
    this.#scopes = (options.namespaces ?? [undefined]).map((namespace) => this.#scope(namespace));
  }

  /** By `namespace/name`, or `name` for cluster-scoped kinds. */
  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  list(): T[] {
    return this.#store.list();
  }

  /** @throws RangeError if there is no such index */
  byIndex(index: string, value: string): T[] {
    return this.#store.byIndex(index, value);
  }

  addIndex(name: string, valuesOf: IndexFunction<T>): void {
    this.#store.addIndex(name, valuesOf);
  }

  /** Adds a handler; it is told of what is in the cache already. A handler that throws is counted and logged, the others still run. */
  onChange(handler: ChangeHandler<T>): void {
    this.#handlers.push(handler);
    for (const object of this.#store.list()) this.#tell(handler, undefined, object);
  }

  hasSynced(): boolean {
    return this.#scopes.every((scope) => scope.synced);
  }

  /** Resolves when the first list of each watch is in the cache. @throws the reason of the signal */
  async waitForSync(signal?: AbortSignal): Promise<void> {
    if (signal === undefined) return this.#synced.promise;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const stop = (): void => aborted.reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Runs until the signal is aborted. A second call starts nothing: it returns the promise of the first. */
  start(signal: AbortSignal): Promise<void> {
    this.#running ??= Promise.all([...this.#scopes.map((scope) => scope.reflector.run(signal)), this.#auditLoop(signal)]).then(() => undefined);
    return this.#running;
  }

  /**
   * Takes the answer to our own write into the cache at once, so that the next pass does not decide on what it has just changed.
   * The newer version wins, and what the watch has already seen deleted stays deleted. The object must be one that the selectors of
   * this informer select. Before the first list is in the cache this does nothing: the list is newer or the watch will bring it.
   */
  observe(object: T): void {
    const key = objectKey(object);
    const scope = this.#scopes.find((one) => one.holds(key));
    const reached = scope?.reflector.resourceVersion;
    if (scope?.synced !== true || reached === undefined) return;
    const cached = this.#store.get(key);
    // Absent, and the watch has passed this version: it is deleted by now. Else the watch will come to it, and to its end.
    const newerThan = cached?.metadata.resourceVersion ?? reached;
    if (isNewer(object.metadata.resourceVersion, newerThan) !== true) return;
    this.#observed.set(key, object.metadata.resourceVersion);
    this.#put(object);
  }

  get stats(): InformerStats {
    const all = this.#scopes.map((scope) => scope.reflector.stats);
    return {
      objects: this.#store.size,
      synced: this.hasSynced(),
      missed: this.#missed,
      relists: all.reduce((sum, one) => sum + one.relists, 0),
      reconnects: all.reduce((sum, one) => sum + one.reconnects, 0),
      lastEventAt: all.reduce<number | undefined>((last, one) => (one.lastEventAt === undefined ? last : Math.max(last ?? 0, one.lastEventAt)), undefined),
      lastError: all.find((one) => one.lastError !== undefined)?.lastError,
      phases: all.map((one) => one.phase),
    };
  }

  #scope(namespace: string | undefined): Scope<T> {
    const holds = namespace === undefined ? () => true : (key: string) => key.startsWith(`${namespace}/`);
    const sink = {
      replace: (items: T[], resourceVersion: string): void => this.#replace(scope, items, resourceVersion),
      apply: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void => this.#apply(type, object),
    };
    const reflector = new Reflector(this.#client, this.resource, sink, { ...this.#options, namespace }, this.#log, this.#metrics);
    const scope: Scope<T> = { namespace, holds, reflector, synced: false };
    return scope;
  }

  #replace(scope: Scope<T>, items: T[], resourceVersion: string): void {
    // Our own writes that are newer than the list: the watch from the list's version will bring them, and their end.
    const keep = (key: string): boolean => {
      const version = this.#observed.get(key);
      if (version === undefined) return false;
      if (isNewer(version, resourceVersion) === true) return true;
      this.#observed.delete(key);
      return false;
    };
    const changes = this.#store.replace(items.map((item) => this.#prepared(item)), scope.holds, keep);
    scope.synced = true;
    if (this.hasSynced()) this.#synced.resolve(undefined);
    for (const change of changes) this.#noticed(change);
  }

  #apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T): void {
    const key = objectKey(object);
    const ours = this.#observed.get(key);
    if (ours !== undefined) {
      // The watch is still behind our own write: what it says of this name is the past.
      if (isNewer(ours, object.metadata.resourceVersion) === true) return;
      this.#observed.delete(key);
      if (type !== 'DELETED' && ours === object.metadata.resourceVersion) return;
    }
    if (type !== 'DELETED') {
      this.#put(object);
      return;
    }
    const change = this.#store.delete(key);
    if (change !== undefined) this.#noticed(change);
  }

  #put(object: T): void {
    const cached = this.#store.get(objectKey(object));
    if (cached !== undefined && cached.metadata.uid !== object.metadata.uid) this.#noticed(this.#store.delete(objectKey(object)));
    this.#noticed(this.#store.set(this.#prepared(object)));
  }

  #noticed(change: Change<T> | undefined): void {
    const subject = change?.next ?? change?.old;
    if (change === undefined || subject === undefined) return;
    this.#changedDuringAudit?.add(objectKey(subject));
    for (const handler of this.#handlers) this.#tell(handler, change.old, change.next);
  }

  #tell(handler: ChangeHandler<T>, old: T | undefined, next: T | undefined): void {
    try {
      handler(old, next);
    } catch (error) {
      const subject = next ?? old;
      this.#handlerFailed(error, subject === undefined ? {} : { key: objectKey(subject) });
    }
  }

  #handlerFailed(error: unknown, fields: object): void {
    this.#metrics.handlerError(resourceName(this.resource));
    this.#log.error({ resource: resourceName(this.resource), ...fields, err: error }, 'a change handler, index or prune function threw');
  }

  #prepared(object: T): T {
    const small = withoutManagedFields(object);
    try {
      return this.#options.prune?.(small) ?? small;
    } catch (error) {
      this.#handlerFailed(error, { key: objectKey(object) });
      return small;
    }
  }

  async #auditLoop(signal: AbortSignal): Promise<void> {
    const { auditMs = 600_000 } = this.#options;
    if (auditMs === 0) return;
    for (;;) {
      try {
        await sleep(auditMs * (0.9 + 0.2 * Math.random()), signal);
        for (const scope of this.#scopes) {
          if (scope.synced && scope.reflector.stats.phase === 'watching') await this.#auditOnce(scope, signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn({ resource: resourceName(this.resource), err: error }, 'the audit of the cache failed, will try again');
      }
    }
  }

  async #auditOnce(scope: Scope<T>, signal: AbortSignal): Promise<void> {
    const { labelSelector, fieldSelector, pageSize = 500, auditGraceMs = 90_000 } = this.#options;
    const changed = new Set<string>();
    this.#changedDuringAudit = changed;
    const cache = {
      get: (key: string) => this.#store.get(key),
      keys: () => [...this.#store.keys()].filter(scope.holds),
      changedSinceStart: (key: string) => changed.has(key),
      resourceVersion: () => scope.reflector.resourceVersion,
    };
    try {
      const missed = await audit(this.#client, this.resource, cache, { namespace: scope.namespace, labelSelector, fieldSelector, pageSize, graceMs: auditGraceMs, signal });
      if (missed.length === 0) return;
      this.#missed += missed.length;
      this.#metrics.missed(resourceName(this.resource), missed.length);
      this.#log.error({ resource: resourceName(this.resource), missed: missed.length, keys: missed.slice(0, 10) }, 'the watch missed changes, listing afresh');
      scope.reflector.relist();
    } finally {
      this.#changedDuringAudit = undefined;
    }
  }
}

/** They take half of the memory of an object, and no decision reads them. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (!('managedFields' in object.metadata)) return object;
  const metadata: T['metadata'] & { managedFields?: unknown } = { ...object.metadata };
  delete metadata.managedFields;
  return { ...object, metadata };
}
