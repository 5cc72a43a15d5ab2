/**
 * Finalizers: our hold on an object while something outside exists for it. Set before the first
 * effect, removed after the last. They are writes of their own: a status patch would drop them.
 *
 * Each change is a JSON patch that tests what it was made from, so that the finalizer of another
 * controller is never lost and an object that was deleted and made anew is never touched.
 */
import type { KubeClient } from '../kube/client.ts';
import { ConflictError, InvalidError, NotFoundError } from '../kube/errors.ts';
import { addFinalizerPatch, annotatePatch, removeFinalizerPatch } from '../kube/patch.ts';
import { objectKey } from '../kube/types.ts';
import type { JsonPatchOperation, KubeObject, Resource } from '../kube/types.ts';

/** How often a patch is made anew from the live object before the pass is ended by a ConflictError. */
const TRIES = 5;

export interface FinalizerTarget<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  /** As the cache has it; it may be stale. */
  readonly object: T;
  /** Qualified name, e.g. `lablet.dev/session`. */
  readonly finalizer: string;
  readonly signal?: AbortSignal;
}

/** What is set together with the finalizer, in the same write. */
export interface Hold {
  /** Annotations by name; those that the object has already are left as they are. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Makes sure that the object holds the finalizer, and the annotations if any are given.
 * @returns the object as it is now stored
 * @throws ConflictError if it is being deleted, has been replaced, or keeps changing: look at it again
 */
export async function addFinalizer<T extends KubeObject>(target: FinalizerTarget<T> & Hold): Promise<T> {
  const { resource, object, finalizer } = target;
  const held = await change(target, (live) => {
    if (live.metadata.deletionTimestamp !== undefined) throw movedOn(resource, object, 'is being deleted');
    const patch = [...(addFinalizerPatch(live, finalizer) ?? []), ...annotatePatch(live, target.annotations ?? {})];
    return patch.length > 0 ? patch : undefined;
  });
  if (!held) throw movedOn(resource, object, 'is gone');
  return held;
}

/**
 * Lets the object go.
 * @returns the object as it is now stored; undefined if it no longer exists, which is what removing the last finalizer leads to
 * @throws ConflictError if it keeps changing: look at it again
 */
export async function removeFinalizer<T extends KubeObject>(target: FinalizerTarget<T>): Promise<T | undefined> {
  return change(target, (live) => removeFinalizerPatch(live, target.finalizer));
}

async function change<T extends KubeObject>(
  target: FinalizerTarget<T>, patchFor: (live: T) => JsonPatchOperation[] | undefined,
): Promise<T | undefined> {
  const { client, resource, object, signal } = target;
  const { name, namespace, uid } = object.metadata;
  const options = { signal };
  let live = object;
  for (let tries = 1; tries <= TRIES; tries++) {
    const patch = patchFor(live);
    if (!patch) return live;
    try {
      const same: JsonPatchOperation = { op: 'test', path: '/metadata/uid', value: uid };
      return await client.jsonPatch(resource, name, namespace, [same, ...patch], options);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      // A failed test is answered as 422, like an invalid patch: ours can only have failed its tests.
      if (!(error instanceof InvalidError) && !(error instanceof ConflictError)) throw error;
    }
    try {
      live = await client.get(resource, name, namespace, options);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
    if (live.metadata.uid !== uid) return undefined;
  }
  throw movedOn(resource, object, `changed ${TRIES} times while its finalizers were being written`);
}

function movedOn(resource: Resource, object: KubeObject, what: string): ConflictError {
  return new ConflictError({ message: `${resource.plural} ${objectKey(object)} ${what}`, status: 409, reason: 'Conflict' });
}
