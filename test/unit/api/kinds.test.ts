/** What must hold of all six kinds together. */
import { describe, expect, test } from '@jest/globals';
import { customResourceDefinition } from '../../../hack/generate/crds.ts';
import { toStructural } from '../../../hack/generate/structural.ts';
import type { Structural } from '../../../hack/generate/structural.ts';
import { KINDS } from '../../../src/api/kinds.ts';
import { labletDefinitionRules, labletDefinitionSpec } from '../../../src/api/labletdefinition.ts';
import { CLUSTER_RULES, NAMESPACED_RULES, OPTIONAL_RULES, OWN_NAMESPACE_RULES, USER_ROLES } from '../../../src/api/rbac.ts';

const named = KINDS.map((kind) => [kind.resource.kind, kind] as const);

/** The field that a JSON path such as `.status.phase` names; filters over lists end at the element. */
function fieldAt(schema: { properties: Record<string, Structural> }, path: string): Structural | undefined {
  const steps = path.slice(1).replaceAll(/\[\?\([^)]*\)\]/g, '.[]').split('.');
  return steps.reduce<Structural | undefined>((at, step) => (step === '[]' ? at?.items : at?.properties?.[step]), schema);
}

describe.each(named)('%s', (name, kind) => {
  const schema = {
    properties: {
      spec: toStructural(kind.spec, `${name}.spec`, 'people'),
      ...(kind.status && { status: toStructural(kind.status, `${name}.status`, 'controller') }),
      metadata: { properties: { creationTimestamp: { type: 'string' as const } } },
    },
  };

  test.each(kind.columns.map(({ name: column, jsonPath, type }) => [column, jsonPath, type] as const))('the column %s shows a field that exists: %s', (_column, jsonPath, type) => {
    const field = fieldAt(schema, jsonPath);
    expect(field).toBeDefined();
    if (type !== 'date' && field?.type !== undefined) expect(field.type).toBe(type);
  });

  test.each(kind.selectableFields.map((path) => [path]))('%s is a field that can be selected', (path) => {
    expect(['string', 'boolean', 'integer']).toContain(fieldAt(schema, path)?.type);
  });

  test('ends with its age, as every list of kubectl does', () => {
    expect(kind.columns.at(-1)?.name).toBe('Age');
  });

  test('has at most the eight selectable fields that the API server allows', () => {
    expect(kind.selectableFields.length).toBeLessThanOrEqual(8);
  });

  test('is described in a sentence', () => {
    expect(customResourceDefinition(kind)).toHaveProperty('spec.versions.0.schema.openAPIV3Schema.description', expect.stringMatching(/^[A-Z].*\.$/));
  });
});

test('names do not collide', () => {
  const names = KINDS.flatMap(({ resource, shortName }) => [resource.plural, shortName]);
  expect(new Set(names).size).toBe(names.length);
});

test('every field of a definition but the warm pool is versioned, those to come included', () => {
  const [forward] = labletDefinitionRules;
  const compared = Object.keys(labletDefinitionSpec.shape).filter((field) => forward?.rule.includes(`self.spec.${field} == oldSelf.spec.${field}`));
  expect(compared).toEqual(Object.keys(labletDefinitionSpec.shape).filter((field) => field !== 'warmPool'));
});

describe('least privilege', () => {
  const controller = [...CLUSTER_RULES, ...NAMESPACED_RULES, ...OWN_NAMESPACE_RULES, ...OPTIONAL_RULES.flatMap(({ rules }) => rules)];

  test('no rule has a wildcard', () => {
    const all = [...controller, ...USER_ROLES.flatMap(({ rules }) => rules)].flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
    expect(all).not.toContain('*');
  });

  test('nobody lists Secrets', () => {
    const verbs = controller.filter(({ resources }) => resources.includes('secrets')).flatMap((rule) => rule.verbs);
    expect(verbs.filter((verb) => ['list', 'watch', 'deletecollection'].includes(verb))).toEqual([]);
  });

  test('results are created and never changed', () => {
    const verbs = [...controller, ...USER_ROLES.flatMap(({ rules }) => rules)].filter(({ resources }) => resources.includes('scorereports')).flatMap((rule) => rule.verbs);
    expect(verbs).not.toContain('patch');
    expect(verbs).not.toContain('update');
  });
});
