/** The nouns of the Kubernetes API as this project uses them: resources, objects, lists, watch events. */
import type { KubeObject, ObjectMeta } from '../api/meta.ts';

export type { KubeObject, ObjectMeta } from '../api/meta.ts';
export { isDeleting, objectKey } from '../api/meta.ts';

/**
 * Where the objects of one kind live in the API: `/apis/<group>/<version>/[namespaces/<ns>/]<plural>`,
 * or `/api/v1/…` for the core group, which is written as `group: ''`.
 */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: it only carries the TypeScript type of the objects. */
  readonly objectType?: T;
}

/** Metadata that a creator may give: a `name`, or a `generateName` to which the server adds a random suffix. */
export type NewObjectMeta = Partial<Pick<ObjectMeta, 'name' | 'namespace' | 'finalizers' | 'annotations' | 'labels' | 'ownerReferences'>> & { generateName?: string };

/**
 * An object to create. It has no status: the API server drops the status of a create
 * for every kind with a status subresource.
 */
export type NewObject<T extends KubeObject> = Omit<T, 'apiVersion' | 'kind' | 'metadata' | 'status'> & {
  apiVersion?: string;
  kind?: string;
  metadata: NewObjectMeta;
};

export interface ListResult<T> {
  items: T[];
  /** The version of the whole list: the point from which a watch goes on. */
  resourceVersion: string;
  /** Token for the next page; undefined on the last one. */
  continue?: string;
  /** How many items remain after this page, where the server knows it. */
  remaining?: number;
}

export type ResourceVersionMatch = 'Exact' | 'NotOlderThan';

/** A change on a watch. Errors of the stream are thrown, not yielded. */
export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; resourceVersion: string; /** True on the bookmark that ends the initial events of a streaming list. */ initialEventsEnd: boolean };

/** One operation of an RFC 6902 JSON patch. `test` fails the whole patch with `InvalidError` when the value differs. */
export type JsonPatchOperation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: unknown }
  | { op: 'remove'; path: string };

/** `apiVersion` of a resource, as objects carry it: `v1`, `apps/v1`. */
export function apiVersionOf(resource: Pick<Resource, 'group' | 'version'>): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** The parts of a key made by `objectKey`. */
export function splitKey(key: string): { name: string; namespace?: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** `plural.group`, as RBAC, logs and metrics name a resource: `labletsessions.lablet.dev`, `secrets`. */
export function resourceName(resource: Pick<Resource, 'group' | 'plural'>): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}
