/** The nouns of the Kubernetes API as this project uses them: resources, objects, lists, watch events. */

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

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean | undefined;
  blockOwnerDeletion?: boolean | undefined;
}

/** Metadata as the API server returns it: `uid` and `resourceVersion` are always there. */
export interface ObjectMeta {
  name: string;
  namespace?: string | undefined;
  generateName?: string | undefined;
  uid: string;
  resourceVersion: string;
  generation?: number | undefined;
  /** RFC 3339, seconds. */
  creationTimestamp: string;
  /** Set by the API server when somebody deletes the object while finalizers hold it. */
  deletionTimestamp?: string | undefined;
  finalizers?: string[] | undefined;
  annotations?: Record<string, string> | undefined;
  labels?: Record<string, string> | undefined;
  ownerReferences?: OwnerReference[] | undefined;
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** Metadata that a creator may give. */
export type NewObjectMeta = Partial<Omit<ObjectMeta, 'uid' | 'resourceVersion' | 'generation' | 'creationTimestamp' | 'deletionTimestamp'>>;

/**
 * An object to create. It has no status: the API server drops the status of a create
 * for every kind with a status subresource.
 */
export type NewObject<T extends KubeObject> = Omit<T, 'apiVersion' | 'kind' | 'metadata' | 'status'> & {
  apiVersion?: string | undefined;
  kind?: string | undefined;
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

/** Cache key of an object, also what queues carry: `namespace/name`, or `name` for cluster-scoped kinds. */
export function keyOf(object: { metadata: { name: string; namespace?: string | undefined } }): string {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The parts of a key made by {@link keyOf}. */
export function splitKey(key: string): { name: string; namespace?: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
