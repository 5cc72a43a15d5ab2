/** docs/reference/rbac.md: what the controller may do in the cluster and what for, and what people get. */
import { CLUSTER_RULES, NAMESPACED_RULES, OPTIONAL_RULES, OWN_NAMESPACE_RULES, USER_ROLES } from '../../src/api/rbac.ts';
import type { PolicyRule } from '../../src/api/rbac.ts';
import type { Generator } from './output.ts';

export const rights: Generator = {
  name: 'reference of rights',
  files: () => new Map([['docs/reference/rbac.md', `${sections().join('\n\n')}\n`]]),
};

function sections(): string[] {
  return [
    '<!-- Generated from src/api/rbac.ts by "make generate"; do not edit. -->',
    '# Rights',
    'What the ServiceAccount of the controller may do, and what for. A test compares these rules with the audit log of an API server: each is used, and nothing else is ([security.md](../security.md#rights-in-the-cluster)).',
    '## In the whole cluster',
    table(CLUSTER_RULES),
    '## In watched namespaces',
    'All of them, or a RoleBinding in each of `WATCH_NAMESPACES`.',
    table(NAMESPACED_RULES),
    '## In its own namespace',
    table(OWN_NAMESPACE_RULES),
    '## With a setting',
    ...OPTIONAL_RULES.flatMap(({ when, rules }) => [`\`${when}\`:`, table(rules)]),
    '## For people',
    'Added to the built-in roles by aggregation.',
    ...USER_ROLES.flatMap(({ name, aggregateTo, rules }) => [`\`${name}\` (in ${aggregateTo.map((role) => `\`${role}\``).join(', ')}):`, table(rules)]),
  ];
}

/** As `kubectl auth can-i` takes it: `labs.lablet.dev/status`. */
function qualified(resource: string, group: string): string {
  const [plural = '', part] = resource.split('/');
  return [group === '' ? plural : `${plural}.${group}`, ...(part === undefined ? [] : [part])].join('/');
}

const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

function table(rules: readonly PolicyRule[]): string {
  const rows = rules.map(({ apiGroups, resources, resourceNames, verbs, why }) => {
    const things = apiGroups.flatMap((group) => resources.map((resource) => (qualified(resource, group))));
    return `| ${code(verbs)} | ${code(things)}${resourceNames ? ` named ${code(resourceNames)}` : ''} | ${why} |`;
  });
  return ['| verbs | resources | for |', '|---|---|---|', ...rows].join('\n');
}
