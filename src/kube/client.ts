/** The Kubernetes API as methods. One instance serves the whole process. */
import { z } from 'zod';
import { ProtocolError } from './errors.ts';
import { HttpTransport, type HttpOptions, type HttpRequest } from './http.ts';
import type { Connection } from './kubeconfig.ts';
import { noMetrics, type KubeMetrics } from './observe.ts';
import { collectionPath, objectPath, query, scopedPath } from './paths.ts';
import { retrying, type RetryOptions } from './retry.ts';
import type { JsonPatchOperation, KubeObject, ListResult, NewObject, Resource, ResourceVersionMatch, WatchEvent } from './types.ts';
import { apiVersionOf, resourceName } from './types.ts';
import { storedObject, watchEvents, type WatchStreamOptions } from './watchstream.ts';

export interface CallOptions {
  /** Ends the call; it then fails with the signal's reason, and the outcome of a write is unknown. */
  signal?: AbortSignal | undefined;
  /** Time for one attempt in milliseconds. @default 30_000 */
  timeoutMs?: number | undefined;
  /** Attempts after the first. @default 4 */
  retries?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** Default: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Items of a page. Default: everything in one answer. */
  limit?: number | undefined;
  /** Token of the page before. */
  continue?: string | undefined;
  /** '' or undefined: the most recent; '0': any; else see `resourceVersionMatch`. */
  resourceVersion?: string | undefined;
  resourceVersionMatch?: ResourceVersionMatch | undefined;
  /** Ask for metadata only: much cheaper where name, uid and version are enough. The items have no spec and no status. */
  metadataOnly?: boolean;
}

export interface WatchOptions extends WatchStreamOptions {
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  /** Where to go on from. */
  resourceVersion: string;
  allowWatchBookmarks?: boolean;
  /** After how many seconds the server ends the watch. */
  timeoutSeconds?: number;
  /** Ask for the state first, as ADDED events up to a bookmark with `initialEventsEnd`. */
  sendInitialEvents?: boolean;
  signal?: AbortSignal | undefined;
  /** Time for the server to begin its answer, in milliseconds. @default 30_000 */
  timeoutMs?: number | undefined;
  /** Called when the server has accepted the watch. */
  onOpen?: () => void;
}

export interface DeleteOptions extends CallOptions {
  /** Delete only this very object. @throws ConflictError if it is another by now */
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  gracePeriodSeconds?: number;
}

export interface WriteOptions extends CallOptions {
  subresource?: 'status' | undefined;
}

export interface ApplyOptions extends WriteOptions {
  /** Who owns the fields of this apply. */
  fieldManager: string;
  /** Take fields over from other managers instead of failing with ConflictError. @default false */
  force?: boolean;
}

export interface KubeClientOptions extends HttpOptions {
  retry?: RetryOptions;
  /** Recorded in managedFields for all writes but applies. Default: the user agent's first word. */
  fieldManager?: string;
}

const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

const listSchema = z.object({
  metadata: z.object({
    resourceVersion: z.string().optional(),
    continue: z.string().optional(),
    remainingItemCount: z.number().nullish(),
  }),
  items: z.array(z.unknown()).nullable(),
});
const objectSchema = z.looseObject({});

/**
 * Guarantees: reads are retried on 429, 5xx and transport failures; writes only when the server surely did not process them
 * (429, or no connection was made). All other failures are thrown as typed errors (`errors.ts`) for the caller to decide.
 */
export class KubeClient {
  readonly connection: Connection;
  readonly #http: HttpTransport;
  readonly #retry: RetryOptions;
  readonly #metrics: KubeMetrics;
  readonly #fieldManager: string | undefined;

  constructor(connection: Connection, options: KubeClientOptions = {}) {
    this.connection = connection;
    this.#http = new HttpTransport(connection, options);
    this.#retry = options.retry ?? {};
    this.#metrics = options.metrics ?? noMetrics;
    this.#fieldManager = options.fieldManager;
  }

  /** @throws NotFoundError */
  async get<T extends KubeObject>(resource: Resource<T>, name: string, namespace?: string, options: CallOptions = {}): Promise<T> {
    const path = objectPath(resource, name, namespace);
    return this.#object(resource, await this.#read({ method: 'GET', path, verb: 'get', resource: resourceName(resource) }, options));
  }

  /** One page, or everything without a limit. @throws ExpiredError for an old `continue` or an exact old version */
  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const path =
      collectionPath(resource, options.namespace) +
      query({
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        limit: options.limit,
        continue: options.continue,
        resourceVersion: options.resourceVersion,
        resourceVersionMatch: options.resourceVersionMatch,
      });
    const request: HttpRequest = { method: 'GET', path, verb: 'list', resource: resourceName(resource) };
    if (options.metadataOnly === true) request.accept = METADATA_LIST;
    const parsed = listSchema.safeParse(await this.#read(request, options));
    if (!parsed.success) throw new ProtocolError(`list of ${resourceName(resource)}: not a list: ${z.prettifyError(parsed.error)}`);
    const { metadata, items } = parsed.data;
    return {
      items: (items ?? []).map((item) => storedObject(item, resource, `list of ${resourceName(resource)}`)),
      resourceVersion: metadata.resourceVersion ?? '',
      ...(metadata.continue === undefined || metadata.continue === '' ? {} : { continue: metadata.continue }),
      ...(metadata.remainingItemCount == null ? {} : { remaining: metadata.remainingItemCount }),
    };
  }

  /** Creates; apiVersion and kind are filled in. @throws AlreadyExistsError, InvalidError, ForbiddenError */
  async create<T extends KubeObject>(resource: Resource<T>, object: NewObject<T>, options: CallOptions & { namespace?: string } = {}): Promise<T> {
    const path = scopedPath(resource, options.namespace ?? object.metadata.namespace) + this.#managed();
    const body = { ...object, apiVersion: apiVersionOf(resource), kind: resource.kind };
    return this.#object(resource, await this.#write({ method: 'POST', path, body, verb: 'create', resource: resourceName(resource) }, options));
  }

  /** POST to a subresource, e.g. `token` of a ServiceAccount. */
  async createSubresource(resource: Resource, name: string, namespace: string | undefined, subresource: string, body: unknown, options: CallOptions = {}): Promise<unknown> {
    const path = objectPath(resource, name, namespace, subresource);
    return this.#write({ method: 'POST', path, body, verb: 'create', resource: `${resourceName(resource)}/${subresource}` }, options);
  }

  /** Replaces the object (PUT); its `metadata.resourceVersion` is the precondition. @throws ConflictError, NotFoundError */
  async update<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const path = objectPath(resource, object.metadata.name, object.metadata.namespace, options.subresource) + this.#managed();
    return this.#object(resource, await this.#write({ method: 'PUT', path, body: object, verb: 'update', resource: resourceName(resource) }, options));
  }

  /** RFC 7386 merge patch. With `metadata.resourceVersion` in the body it is conditional. @throws ConflictError, NotFoundError, InvalidError */
  async mergePatch<T extends KubeObject>(resource: Resource<T>, name: string, namespace: string | undefined, body: object, options: WriteOptions = {}): Promise<T> {
    return this.#patch(resource, name, namespace, body, 'application/merge-patch+json', options, this.#managed());
  }

  /** RFC 6902 patch. @throws InvalidError if a `test` fails */
  async jsonPatch<T extends KubeObject>(resource: Resource<T>, name: string, namespace: string | undefined, operations: readonly JsonPatchOperation[], options: WriteOptions = {}): Promise<T> {
    return this.#patch(resource, name, namespace, operations, 'application/json-patch+json', options, this.#managed());
  }

  /** Server-side apply: creates the object or sets just the fields of `body`, which is completed by what the path says. @throws ConflictError if another manager owns one */
  async apply<T extends KubeObject>(resource: Resource<T>, name: string, namespace: string | undefined, body: { metadata?: object; [field: string]: unknown }, options: ApplyOptions): Promise<T> {
    const complete = { ...body, apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { ...body.metadata, name, namespace } };
    const parameters = query({ fieldManager: options.fieldManager, force: options.force });
    return this.#patch(resource, name, namespace, complete, 'application/apply-patch+yaml', options, parameters, 'apply');
  }

  /** Asks for the deletion; finalizers may hold the object for a while. @throws NotFoundError, ConflictError */
  async delete(resource: Resource, name: string, namespace?: string, options: DeleteOptions = {}): Promise<void> {
    const { preconditions, propagationPolicy, gracePeriodSeconds } = options;
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, propagationPolicy, gracePeriodSeconds };
    const path = objectPath(resource, name, namespace);
    await this.#write({ method: 'DELETE', path, body, verb: 'delete', resource: resourceName(resource) }, options);
  }

  /**
   * One watch, until the server ends it (the iteration ends), the caller leaves the loop, or the signal is aborted (throws its reason).
   * For a watch that goes on for ever, see `Informer`.
   * @throws ExpiredError if the version is too old, WatchIdleError after silence, TransportError if the connection breaks
   */
  async *watch<T extends KubeObject>(resource: Resource<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>, void> {
    const path =
      collectionPath(resource, options.namespace) +
      query({
        watch: true,
        resourceVersion: options.resourceVersion,
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        allowWatchBookmarks: options.allowWatchBookmarks,
        timeoutSeconds: options.timeoutSeconds,
        sendInitialEvents: options.sendInitialEvents,
        resourceVersionMatch: options.sendInitialEvents === true ? 'NotOlderThan' : undefined,
      });
    const abort = new AbortController();
    const stop = (): void => abort.abort(options.signal?.reason);
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', stop, { once: true });
    try {
      const request: HttpRequest = { method: 'GET', path, verb: 'watch', resource: resourceName(resource), timeoutMs: options.timeoutMs };
      const body = await this.#http.stream({ ...request, signal: abort.signal });
      options.onOpen?.();
      yield* watchEvents(body, resource, abort, options);
    } finally {
      options.signal?.removeEventListener('abort', stop);
      abort.abort();
    }
  }

  /** Any other path: `/version`, `/readyz`, reviews. GET is retried as a read, the rest as a write. */
  async raw(method: HttpRequest['method'], path: string, body?: unknown, options: CallOptions = {}): Promise<unknown> {
    const request: HttpRequest = { method, path, body, verb: 'raw', resource: '' };
    return method === 'GET' ? this.#read(request, options) : this.#write(request, options);
  }

  /** Closes all connections. Calls under way fail. */
  async close(): Promise<void> {
    await this.#http.close();
  }

  async #patch<T extends KubeObject>(resource: Resource<T>, name: string, namespace: string | undefined, body: unknown, contentType: string, options: WriteOptions, parameters: string, verb = 'patch'): Promise<T> {
    const path = objectPath(resource, name, namespace, options.subresource) + parameters;
    return this.#object(resource, await this.#write({ method: 'PATCH', path, body, contentType, verb, resource: resourceName(resource) }, options));
  }

  #read(request: HttpRequest, options: CallOptions): Promise<unknown> {
    return this.#send('read', request, options);
  }

  #write(request: HttpRequest, options: CallOptions): Promise<unknown> {
    return this.#send('write', request, options);
  }

  #send(kind: 'read' | 'write', request: HttpRequest, { signal, timeoutMs, retries }: CallOptions): Promise<unknown> {
    const retry = retries === undefined ? this.#retry : { ...this.#retry, retries };
    const onRetry = (): void => this.#metrics.retry(request.verb, request.resource);
    return retrying(kind, retry, signal, onRetry, () => this.#http.call({ ...request, signal, timeoutMs }));
  }

  #managed(): string {
    return query({ fieldManager: this.#fieldManager });
  }

  /** Reviews (`TokenReview`) come back without a name, so only caches demand one. */
  #object<T extends KubeObject>(resource: Resource<T>, value: unknown): T {
    if (!objectSchema.safeParse(value).success) throw new ProtocolError(`${resourceName(resource)}: the answer is not an object`);
    return value as T;
  }
}
