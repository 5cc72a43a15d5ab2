/**
 * What the controller and its users may do: the one source of config/rbac and of the Helm chart.
 * The controller gets the verbs that it uses and no more; each rule says what for.
 */
import { GROUP, MANAGER } from './group.ts';
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, SCORE_REPORTS, WORKERS, WORKER_TEMPLATES } from './kinds.ts';
import type { KubeObject } from './meta.ts';
import { CONFIGMAPS, CONTROLLER_REVISIONS, CUSTOM_RESOURCE_DEFINITIONS, EVENTS, LEASES, NAMESPACES, SECRETS, SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS } from './resource.ts';
import type { ResourceOf } from './resource.ts';

/** Namespace of the controller in config/ and the chart's default; POD_NAMESPACE says where it really is. */
export const SYSTEM_NAMESPACE = 'lablet-system';
/** The Lease that the replicas campaign for; the Role names it, so that no other Lease can be touched. */
export const LEASE_NAME = MANAGER;
/** The CRD whose annotation `lablet.dev/installation` says which installation acts in this cluster. */
export const INSTALLATION_CRD = `${WORKERS.plural}.${WORKERS.group}`;

export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
  /** What for; a comment in the manifests. */
  readonly why: string;
}

type Resources = readonly [ResourceOf<KubeObject>, ...ResourceOf<KubeObject>[]];

/** All resources of one rule are of one group. `part` is a subresource such as `status`. */
function allow(why: string, verbs: readonly string[], resources: Resources, part = ''): PolicyRule {
  return { apiGroups: [resources[0].group], resources: resources.map(({ plural }) => (part === '' ? plural : `${plural}/${part}`)), verbs, why };
}

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** Cluster-scoped objects, and Events about them (which go to the namespace default). */
export const CLUSTER_RULES: readonly PolicyRule[] = [
  allow('caches of the cluster-scoped kinds', READ, [LABS, WORKERS, WORKER_TEMPLATES]),
  allow('a Lab is made for a session and removed with what stands on the host', ['create', 'delete'], [LABS]),
  allow('the auto-scaler makes Workers of a WorkerTemplate, and removes those that it made once they are over', ['create', 'delete'], [WORKERS]),
  allow('finalizers, annotations, and the claim of a Lab', ['patch'], [LABS, WORKERS, WORKER_TEMPLATES]),
  allow('every status write is a merge patch', ['patch'], [LABS, WORKERS, WORKER_TEMPLATES], 'status'),
  allow('a namespace that is being deleted ends its sessions', READ, [NAMESPACES]),
  allow('what kubectl describe shows', ['create', 'patch'], [EVENTS]),
  { ...allow('one installation a cluster: an annotation of this CRD says which', ['get', 'patch'], [CUSTOM_RESOURCE_DEFINITIONS]), resourceNames: [INSTALLATION_CRD] },
  { ...allow('whether the installation that the annotation names still runs, in whatever namespace it is', ['get'], [LEASES]), resourceNames: [LEASE_NAME] },
];

/** Namespaced objects; bound in the whole cluster, or by a RoleBinding in each of WATCH_NAMESPACES. */
export const NAMESPACED_RULES: readonly PolicyRule[] = [
  allow('caches of the namespaced kinds', READ, [LABLET_DEFINITIONS, LABLET_SESSIONS]),
  allow('finalizers and annotations', ['patch'], [LABLET_DEFINITIONS, LABLET_SESSIONS]),
  allow('every status write is a merge patch', ['patch'], [LABLET_DEFINITIONS, LABLET_SESSIONS], 'status'),
  allow('a terminated session is deleted after its history time', ['delete'], [LABLET_SESSIONS]),
  allow('a result is written once, read back where it exists already, and never changed', ['get', 'create'], [SCORE_REPORTS]),
  allow('each version of a definition, and its topology, is kept unchanged', ['get', 'create', 'delete'], [CONTROLLER_REVISIONS]),
  allow('topologies', ['get'], [CONFIGMAPS]),
  allow('launch Secrets and device passwords, each by its name: never list or watch, which would show them all', ['get', 'create', 'delete'], [SECRETS]),
];

/** Objects in the controller's own namespace. */
export const OWN_NAMESPACE_RULES: readonly PolicyRule[] = [
  // A create cannot be limited by name: the name is not yet known when it is authorised.
  allow('leader election: the first replica makes the Lease', ['create'], [LEASES]),
  { ...allow('leader election', ['get', 'update', 'watch'], [LEASES]), resourceNames: [LEASE_NAME] },
  allow('credentials of CML, LDS and the GradingEngine, by name', ['get'], [SECRETS]),
];

/** Rules that only one setting needs; whoever uses it grants them, nobody else has to. */
export interface OptionalRules {
  /** Of the ClusterRole, after the controller's name, and of the file in config/rbac/optional. */
  readonly name: string;
  /** The setting. */
  readonly when: string;
  readonly rules: readonly PolicyRule[];
}

export const OPTIONAL_RULES: readonly OptionalRules[] = [
  { name: 'token-review', when: 'INGEST_AUTH=token', rules: [allow('whose the bearer token of a sender of events is', ['create'], [TOKEN_REVIEWS])] },
  {
    name: 'archive-review',
    when: 'ARCHIVE_URL',
    rules: [allow('whose the bearer token of a reader of the archive is', ['create'], [TOKEN_REVIEWS]), allow('and what it may read', ['create'], [SUBJECT_ACCESS_REVIEWS])],
  },
  {
    name: 'page-review',
    when: 'WEB_PAGE=enabled',
    rules: [allow('whose the bearer token of a reader of the page is', ['create'], [TOKEN_REVIEWS]), allow('and what it may list', ['create'], [SUBJECT_ACCESS_REVIEWS])],
  },
];

/** What people read at GET /archive: no kind of the API server, which only judges who may. */
const ARCHIVES: ResourceOf<KubeObject> = { group: GROUP, version: 'v1alpha1', plural: 'archives', kind: 'Archive', namespaced: true };

/** A role for people, added to the built-in role of the same name by aggregation. */
export interface UserRole {
  readonly name: 'view' | 'edit' | 'admin';
  /** Built-in roles that include it. */
  readonly aggregateTo: readonly ('view' | 'edit' | 'admin')[];
  readonly rules: readonly PolicyRule[];
}

/** A RoleBinding gives the namespaced kinds of its namespace, a ClusterRoleBinding the cluster-scoped ones too. */
export const USER_ROLES: readonly UserRole[] = [
  {
    name: 'view',
    aggregateTo: ['view', 'edit', 'admin'],
    rules: [allow('read all six kinds', READ, [LABLET_DEFINITIONS, LABLET_SESSIONS, SCORE_REPORTS, LABS, WORKERS, WORKER_TEMPLATES])],
  },
  {
    name: 'edit',
    aggregateTo: ['edit', 'admin'],
    // No status, no ScoreReports, no Labs: results and bookkeeping are the controller's.
    rules: [allow('exam teams write definitions and sessions', WRITE, [LABLET_DEFINITIONS, LABLET_SESSIONS])],
  },
  {
    name: 'admin',
    aggregateTo: ['admin'],
    rules: [
      allow('platform teams write hosts', WRITE, [WORKERS, WORKER_TEMPLATES]),
      allow('results may be removed, for instance to obey a retention rule, but not written', ['delete', 'deletecollection'], [SCORE_REPORTS]),
      allow('the archive of events, which outlives sessions and results, is read at GET /archive', ['list'], [ARCHIVES]),
    ],
  },
];
