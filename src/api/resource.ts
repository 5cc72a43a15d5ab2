/** Where kinds live in the Kubernetes API, and the built-in kinds that the controller uses. */
import type { KubeObject } from './meta.ts';

/**
 * Address of the objects of one kind: `/apis/<group>/<version>/[namespaces/<ns>/]<plural>`, `/api/v1/…` for group `''`.
 * The client in `src/kube` takes it by its shape, since this room imports nothing.
 */
export interface ResourceOf<T extends KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: it only carries the TypeScript type of the objects. */
  readonly objectType?: T;
}

export interface Secret extends KubeObject {
  type?: string;
  /** Values in base64. */
  data?: Record<string, string>;
  /** Values in plain text; only in a create or a patch, the API server turns them into `data`. */
  stringData?: Record<string, string>;
  immutable?: boolean;
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
  /** Values in base64, for bytes that are not UTF-8. */
  binaryData?: Record<string, string>;
}

export interface Namespace extends KubeObject {
  status?: { phase?: 'Active' | 'Terminating' };
}

/** An immutable snapshot; `data` is any JSON object. */
export interface ControllerRevision extends KubeObject {
  revision: number;
  data?: unknown;
}

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    /** RFC 3339 with microseconds. */
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** A Kubernetes Event (`kubectl describe` shows them), not a CloudEvent. */
export interface Event extends KubeObject {
  eventTime?: string;
  reportingController?: string;
  reportingInstance?: string;
  regarding?: { apiVersion?: string; kind?: string; name?: string; namespace?: string; uid?: string };
  type?: 'Normal' | 'Warning';
  reason?: string;
  action?: string;
  note?: string;
  series?: { count: number; lastObservedTime: string };
}

const core = { group: '', version: 'v1' } as const;

export const SECRETS: ResourceOf<Secret> = { ...core, plural: 'secrets', kind: 'Secret', namespaced: true };
export const CONFIGMAPS: ResourceOf<ConfigMap> = { ...core, plural: 'configmaps', kind: 'ConfigMap', namespaced: true };
export const NAMESPACES: ResourceOf<Namespace> = { ...core, plural: 'namespaces', kind: 'Namespace', namespaced: false };
export const EVENTS: ResourceOf<Event> = { group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };
export const CONTROLLER_REVISIONS: ResourceOf<ControllerRevision> = { group: 'apps', version: 'v1', plural: 'controllerrevisions', kind: 'ControllerRevision', namespaced: true };
export const LEASES: ResourceOf<Lease> = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true };
/** Only its metadata are of interest. */
export const CUSTOM_RESOURCE_DEFINITIONS: ResourceOf<KubeObject> = { group: 'apiextensions.k8s.io', version: 'v1', plural: 'customresourcedefinitions', kind: 'CustomResourceDefinition', namespaced: false };
/** A question to the API server, stored nowhere; see src/kube/access-review.ts. */
export const TOKEN_REVIEWS: ResourceOf<KubeObject> = { group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews', kind: 'TokenReview', namespaced: false };
/** Another. */
export const SUBJECT_ACCESS_REVIEWS: ResourceOf<KubeObject> = { group: 'authorization.k8s.io', version: 'v1', plural: 'subjectaccessreviews', kind: 'SubjectAccessReview', namespaced: false };
