/** crds/*.yaml from the kinds of src/api. */
import { CATEGORY } from '../../src/api/group.ts';
import { KINDS } from '../../src/api/kinds.ts';
import type { Kind } from '../../src/api/kinds.ts';
import type { Generator } from './output.ts';
import { toStructural } from './structural.ts';
import { manifest } from './yaml.ts';

export const crds: Generator = {
  name: 'custom resource definitions',
  owns: [{ folder: 'crds', extension: '.yaml' }],
  files: () => new Map(KINDS.map((kind) => [`crds/${kind.resource.group}_${kind.resource.plural}.yaml`, manifest('src/api', [customResourceDefinition(kind)])])),
};

/** The CustomResourceDefinition of a kind, as plain data. */
export function customResourceDefinition(kind: Kind): Record<string, unknown> {
  const { group, version, plural, kind: name, namespaced } = kind.resource;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind: name, listKind: `${name}List`, plural, singular: kind.singular, shortNames: [kind.shortName], categories: [CATEGORY] },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: kind.columns.map(({ wide, ...column }) => (wide ? { ...column, priority: 1 } : column)),
          selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })),
          ...(kind.status && { subresources: { status: {} } }),
          schema: { openAPIV3Schema: schemaOf(kind) },
        },
      ],
    },
  };
}

function schemaOf(kind: Kind): Record<string, unknown> {
  const name = kind.resource.kind;
  return {
    description: kind.description,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { description: 'Group and version of the API.', type: 'string' },
      kind: { description: 'Kind of the object.', type: 'string' },
      metadata: { type: 'object' },
      spec: toStructural(kind.spec, `${name}.spec`, 'people'),
      ...(kind.status && { status: toStructural(kind.status, `${name}.status`, 'controller') }),
    },
    ...(kind.rules.length > 0 && { 'x-kubernetes-validations': kind.rules }),
  };
}
