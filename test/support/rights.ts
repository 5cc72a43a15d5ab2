/** The rules of the controller compared with what it asked the API server for. */
import { CLUSTER_RULES, NAMESPACED_RULES, OPTIONAL_RULES, OWN_NAMESPACE_RULES, SYSTEM_NAMESPACE } from '../../src/api/rbac.ts';
import type { PolicyRule } from '../../src/api/rbac.ts';
import type { AuditedRequest } from './audit.ts';

type Scope = 'cluster' | 'namespaces' | 'own namespace';

/** One verb on one resource in one role. */
interface Right {
  readonly scope: Scope;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly names: readonly string[] | undefined;
}

const rightsOf = (scope: Scope, rules: readonly PolicyRule[]): Right[] =>
  rules.flatMap(({ apiGroups, resources, verbs, resourceNames: names }) => apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => ({ scope, verb, group, resource, names })))));

const shown = ({ scope, verb, group, resource }: Right): string => `${verb} ${resource}${group === '' ? '' : `.${group}`} (${scope})`;

/** All that config/rbac grants, with the files of config/rbac/optional. */
const GRANTED = [
  ...rightsOf('cluster', CLUSTER_RULES), ...rightsOf('namespaces', NAMESPACED_RULES), ...rightsOf('own namespace', OWN_NAMESPACE_RULES),
  ...rightsOf('cluster', OPTIONAL_RULES.flatMap(({ rules }) => rules)),
];

/** What a role of that scope was made for: the rules for namespaces are not those of the controller's own, even where they are bound to both. */
function covers({ scope, verb, group, resource, names }: Right, request: AuditedRequest): boolean {
  const isThere = scope === 'cluster' || (scope === 'own namespace') === (request.namespace === SYSTEM_NAMESPACE);
  return isThere && verb === request.verb && group === request.group && resource === request.resource && (names === undefined || names.includes(request.name ?? ''));
}

/** `unused`: granted and not used. `beyond`: used and not granted by a rule of ours. */
export function compareRights(requests: readonly AuditedRequest[]): { unused: string[]; beyond: string[] } {
  const unused = GRANTED.filter((right) => !requests.some((request) => covers(right, request))).map(shown);
  const beyond = requests.filter((request) => !GRANTED.some((right) => covers(right, request))).map(({ verb, resource, group, namespace, name }) => `${verb} ${resource}.${group} ${namespace ?? ''}/${name ?? ''}`);
  return { unused: [...new Set(unused)], beyond: [...new Set(beyond)] };
}
