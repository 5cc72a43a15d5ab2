/**
 * The one kind of status write: a merge patch on /status that carries the resourceVersion it was
 * decided on. Across replicas this is the only serialisation there is. Whoever loses reads live and
 * decides again, on what the winner wrote.
 */
import type { KubeClient } from '../kube/client.ts';
import { ConflictError } from '../kube/errors.ts';
import { statusMergePatch } from '../kube/patch.ts';
import { resourceName } from '../kube/types.ts';
import type { KubeObject, Resource } from '../kube/types.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export type WithStatus<S extends object> = KubeObject & { status?: S | undefined };

/**
 * A last word on every status that is written anyway: the emitter drops the outbox entries here that
 * the sink has accepted since, which so cost no write of their own. Must be pure and quick.
 */
export type Amend<S extends object, T extends WithStatus<S>> = (next: S, object: T) => S;

export interface StatusWrite<S extends object, T extends WithStatus<S>> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** The object as it was when `next` was decided: its resourceVersion is the precondition. */
  readonly object: T;
  /** The whole status as it is to be. */
  readonly next: S;
  readonly amend?: Amend<S, T> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly metrics?: Pick<Metrics, 'statusWrites'> | undefined;
}

/**
 * Writes `next` if it differs from the status of `object`; a mere amendment is not worth a write.
 * @returns the object as it is now stored (the same one if there was nothing to write)
 * @throws ConflictError if the object has moved on: decide again on what it is now
 */
export async function writeStatus<S extends object, T extends WithStatus<S>>(write: StatusWrite<S, T>): Promise<T> {
  const { client, resource, object, next, amend, signal, metrics } = write;
  const count = (result: string): void => metrics?.statusWrites.inc({ resource: resourceName(resource), result });
  if (!statusMergePatch(object, next)) {
    count('unchanged');
    return object;
  }
  const patch = statusMergePatch(object, amend ? amend(next, object) : next);
  if (!patch) {
    count('unchanged');
    return object;
  }
  try {
    const { name, namespace } = object.metadata;
    const written = await client.mergePatch(resource, name, namespace, patch, { subresource: 'status', signal });
    count('written');
    return written;
  } catch (error) {
    if (error instanceof ConflictError) count('conflict');
    throw error;
  }
}

export interface Decision<T, D> {
  /** The object to decide on: `first` from the cache if the caller has it, after a conflict always live. */
  readonly first?: T | undefined;
  readonly read: () => Promise<T>;
  /** Pure: what to write, given what is stored. Undefined: nothing. Called again after each conflict. */
  readonly decide: (object: T) => D | undefined;
  readonly write: (object: T, decision: D) => Promise<T>;
  /** @default 5 */
  readonly tries?: number;
}

/**
 * Reads, decides and writes until no other writer comes in between.
 * @returns the object as it is now stored
 * @throws ConflictError after the last try: ingest answers 503, a pass is queued again
 */
export async function decideAndWrite<T, D>({ first, read, decide, write, tries = 5 }: Decision<T, D>): Promise<T> {
  let object = first ?? (await read());
  for (let left = tries; ; left--) {
    const decision = decide(object);
    if (decision === undefined) return object;
    try {
      return await write(object, decision);
    } catch (error) {
      if (!(error instanceof ConflictError) || left <= 1) throw error;
    }
    object = await read();
  }
}
