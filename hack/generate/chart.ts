/**
 * charts/lablet-controller: what the chart has from elsewhere. Templates and values.yaml are written by hand; kinds,
 * schemas, access rules and Knative's facts are copied into its files/, since a chart must stand on its own.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { CLUSTER_RULES, NAMESPACED_RULES, OPTIONAL_RULES, OWN_NAMESPACE_RULES, USER_ROLES } from '../../src/api/rbac.ts';
import type { PolicyRule } from '../../src/api/rbac.ts';
import { without } from '../../src/core/without.ts';
import { chartReadme } from './chart-readme.ts';
import { readValues } from './chart-values.ts';
import { crds } from './crds.ts';
import { eventSchemas } from './event-schemas.ts';
import { DELIVERY, eventTypes, TRIGGER_ANNOTATIONS, triggers } from './knative.ts';
import type { Generator } from './output.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CHART = 'charts/lablet-controller';

export const chart: Generator = {
  name: 'Helm chart',
  owns: [{ folder: `${CHART}/files/crds`, extension: '.yaml' }, { folder: `${CHART}/files/schemas`, extension: '.json' }],
  files: () => {
    const { values, schema } = readValues(readFileSync(join(ROOT, CHART, 'values.yaml'), 'utf8'));
    const copies = [...crds.files(), ...eventSchemas.files()].map(([path, content]) => [`${CHART}/files/${path.replace(/^src\/events\//, '')}`, content] as const);
    return new Map([
      ...copies,
      [`${CHART}/Chart.yaml`, chartFile()],
      [`${CHART}/values.schema.json`, `${JSON.stringify(schema, null, 2)}\n`],
      [`${CHART}/README.md`, chartReadme(values)],
      [`${CHART}/files/rbac.yaml`, data('src/api/rbac.ts', accessRules())],
      [`${CHART}/files/knative.yaml`, data('src/api/events.ts', { triggers: triggers(), annotations: TRIGGER_ANNOTATIONS, delivery: DELIVERY, eventTypes: eventTypes(SOURCE_PLACEHOLDER) })],
    ]);
  },
};

/** The template puts the value `cloudEvents.source` in its place. */
const SOURCE_PLACEHOLDER = '$(source)';
const GENERATED = '"make generate"; do not edit.';
const data = (source: string, content: object): string => `# Generated from ${source} by ${GENERATED}\n${stringify(content, { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1' })}`;

/** Version of chart and program are one: that of the package. */
function chartFile(): string {
  const { version, description } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string; description: string };
  return data('package.json', {
    apiVersion: 'v2', name: 'lablet-controller', description, type: 'application', version, appVersion: version,
    // selectableFields of CRDs.
    kubeVersion: '>=1.32.0-0',
    keywords: ['cisco', 'cml', 'labs', 'exams', 'operator', 'cloudevents', 'knative'],
  });
}

/** The rules of src/api/rbac.ts by what the templates call them. */
function accessRules(): object {
  const plain = (rules: readonly PolicyRule[]) => rules.map((rule) => without(rule, 'why'));
  return {
    cluster: plain(CLUSTER_RULES),
    namespaced: plain(NAMESPACED_RULES),
    own: plain(OWN_NAMESPACE_RULES),
    optional: Object.fromEntries(OPTIONAL_RULES.map(({ name, when, rules }) => [name, { when, rules: plain(rules) }])),
    users: Object.fromEntries(USER_ROLES.map(({ name, aggregateTo, rules }) => [name, { aggregateTo, rules: plain(rules) }])),
  };
}
