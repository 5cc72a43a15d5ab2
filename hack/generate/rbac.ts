/** config/rbac/*.yaml from the rules of src/api/rbac.ts. */
import { MANAGER } from '../../src/api/group.ts';
import { CLUSTER_RULES, NAMESPACED_RULES, OPTIONAL_RULES, OWN_NAMESPACE_RULES, SYSTEM_NAMESPACE, USER_ROLES } from '../../src/api/rbac.ts';
import type { Generator } from './output.ts';
import { manifest } from './yaml.ts';

const SOURCE = 'src/api/rbac.ts';
const API = 'rbac.authorization.k8s.io';
const labels = { 'app.kubernetes.io/name': MANAGER };

export const rbac: Generator = {
  name: 'access rules',
  owns: [{ folder: 'config/rbac', extension: '.yaml' }, { folder: 'config/rbac/optional', extension: '.yaml' }],
  files: () =>
    new Map([
      ['config/rbac/controller.yaml', manifest(SOURCE, controllerObjects())],
      ['config/rbac/users.yaml', manifest(SOURCE, USER_ROLES.map(userRole))],
      // In a folder of their own: `kubectl apply -f config/rbac` leaves them out.
      ...OPTIONAL_RULES.map((optional) => [`config/rbac/optional/${optional.name}.yaml`, manifest(SOURCE, optionalObjects(optional))] as const),
    ]),
};

/** The namespace comes first and the bindings last, so that one `kubectl apply` is enough. */
function controllerObjects(): object[] {
  const own = { name: MANAGER, namespace: SYSTEM_NAMESPACE, labels };
  const cluster = `${MANAGER}-cluster`;
  const namespaced = `${MANAGER}-namespaced`;
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM_NAMESPACE } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: own },
    { apiVersion: `${API}/v1`, kind: 'ClusterRole', metadata: { name: cluster, labels }, rules: CLUSTER_RULES },
    { apiVersion: `${API}/v1`, kind: 'ClusterRole', metadata: { name: namespaced, labels }, rules: NAMESPACED_RULES },
    { apiVersion: `${API}/v1`, kind: 'Role', metadata: own, rules: OWN_NAMESPACE_RULES },
    binding('ClusterRoleBinding', { name: cluster, labels }, 'ClusterRole', cluster),
    binding('ClusterRoleBinding', { name: namespaced, labels }, 'ClusterRole', namespaced),
    binding('RoleBinding', own, 'Role', MANAGER),
  ];
}

function optionalObjects({ name, when, rules }: (typeof OPTIONAL_RULES)[number]): object[] {
  const role = `${MANAGER}-${name}`;
  const metadata = { name: role, labels, annotations: { 'lablet.dev/needed-with': when } };
  return [{ apiVersion: `${API}/v1`, kind: 'ClusterRole', metadata, rules }, binding('ClusterRoleBinding', metadata, 'ClusterRole', role)];
}

function binding(kind: string, metadata: object, roleKind: string, roleName: string): object {
  return {
    apiVersion: `${API}/v1`,
    kind,
    metadata,
    roleRef: { apiGroup: API, kind: roleKind, name: roleName },
    subjects: [{ kind: 'ServiceAccount', name: MANAGER, namespace: SYSTEM_NAMESPACE }],
  };
}

function userRole({ name, aggregateTo, rules }: (typeof USER_ROLES)[number]): object {
  const aggregation = Object.fromEntries(aggregateTo.map((role) => [`${API}/aggregate-to-${role}`, 'true']));
  return { apiVersion: `${API}/v1`, kind: 'ClusterRole', metadata: { name: `lablet-${name}`, labels: { ...labels, ...aggregation } }, rules };
}
