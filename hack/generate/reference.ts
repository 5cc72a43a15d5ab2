/** docs/reference/api.md: every field of the six kinds, from the same schemas as the CRDs. */
import { CATEGORY, GROUP, VERSION } from '../../src/api/group.ts';
import { KINDS } from '../../src/api/kinds.ts';
import type { Kind } from '../../src/api/kinds.ts';
import type { CelRule } from '../../src/api/schema.ts';
import type { Generator } from './output.ts';
import { toStructural } from './structural.ts';
import type { Structural } from './structural.ts';

export const apiReference: Generator = {
  name: 'API reference',
  files: () => new Map([['docs/reference/api.md', [head(), ...KINDS.map(section)].join('\n')]]),
};

function head(): string {
  return `<!-- Generated from src/api by "make generate"; do not edit. -->
# API reference

Group \`${GROUP}\`, version \`${VERSION}\`. \`kubectl get ${CATEGORY} -A\` lists every kind, \`kubectl explain <kind>.<field>\`
shows what stands here. Times are RFC 3339, durations are written as \`90m\` or \`1h30m\`, amounts as Kubernetes quantities
(\`"4"\`, \`6Gi\`). The API server itself refuses what breaks a rule; no webhook is needed.

| kind | short name | scope | what it is |
|---|---|---|---|
${KINDS.map((kind) => `| [${kind.resource.kind}](#${kind.resource.kind.toLowerCase()}) | \`${kind.shortName}\` | ${scopeOf(kind)} | ${cell(kind.description)} |`).join('\n')}
`;
}

function section(kind: Kind): string {
  const { kind: name, plural } = kind.resource;
  const spec = toStructural(kind.spec, `${name}.spec`, 'people');
  const status = kind.status && toStructural(kind.status, `${name}.status`, 'controller');
  const rules = [...kind.rules.map((rule) => ({ at: '', ...rule })), ...rulesOf(spec, 'spec')];
  return [
    `## ${name}`,
    '',
    kind.description,
    '',
    `\`${plural}.${GROUP}\`, ${scopeOf(kind)}. Field selectors: ${kind.selectableFields.map((path) => `\`${path.slice(1)}\``).join(', ')}.`,
    '',
    '### Spec',
    '',
    ...fieldTable(spec, 'spec'),
    ...(rules.length === 0 ? [] : ['Rules:', '', ...rules.map(({ at, message }) => `- ${at === '' ? '' : `\`${at}\`: `}${message}`), '']),
    ...(status === undefined ? [] : ['### Status', '', ...fieldTable(status, 'status')]),
  ].join('\n');
}

const scopeOf = (kind: Kind) => (kind.resource.namespaced ? 'namespaced' : 'cluster-scoped');

function fieldTable(schema: Structural, path: string): string[] {
  const rows = fieldsOf(schema, path).map(({ at, field, required }) => `| \`${at}\` | ${cell(typeOf(field))} | ${required ? 'required' : defaultOf(field)} | ${cell(field.description ?? '')} |`);
  return ['| field | type | default | meaning |', '|---|---|---|---|', ...rows, ''];
}

/** All fields below a schema in the order of the sources, lists as `path[]` and maps as `path.*`. */
function fieldsOf(schema: Structural, path: string): { at: string; field: Structural; required: boolean }[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const at = `${path}.${name}`;
    return [{ at, field, required: schema.required?.includes(name) ?? false }, ...fieldsBelow(field, at)];
  });
}

function fieldsBelow(field: Structural, at: string): ReturnType<typeof fieldsOf> {
  if (field.items) return fieldsBelow(field.items, `${at}[]`);
  if (field.additionalProperties) return fieldsBelow(field.additionalProperties, `${at}.*`);
  return fieldsOf(field, at);
}

function rulesOf(schema: Structural, at: string): (CelRule & { at: string })[] {
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => rulesOf(field, `${at}.${name}`));
  const items = schema.items ? rulesOf(schema.items, `${at}[]`) : [];
  const values = schema.additionalProperties ? rulesOf(schema.additionalProperties, `${at}.*`) : [];
  return [...(schema['x-kubernetes-validations'] ?? []).map((rule) => ({ at, ...rule })), ...below, ...items, ...values];
}

/** The type in words with its bounds: `string, 1 to 256 characters`, `list of Personal, Enterprise`. */
function typeOf(field: Structural): string {
  if (field['x-kubernetes-int-or-string']) return 'quantity';
  if (field.items) return `list (${between(field.minItems, field.maxItems)}) of ${typeOf(field.items)}`;
  if (field.additionalProperties) return `map (${between(field.minProperties, field.maxProperties)}) of ${typeOf(field.additionalProperties)}`;
  if (field.enum) return field.enum.map(String).join(' \\| ');
  if (field.format === 'date-time') return 'time';
  if (field.type === 'string') return `string (${between(field.minLength, field.maxLength)})`;
  const bounds = between(field.minimum, field.maximum);
  return `${field.type ?? ''}${bounds === '' ? '' : ` (${bounds})`}`;
}

function between(min: number | undefined, max: number | undefined): string {
  if (min === undefined) return max === undefined ? '' : `≤ ${max}`;
  return max === undefined ? `≥ ${min}` : `${min}–${max}`;
}

const defaultOf = (field: Structural) => (field.default === undefined ? '' : `\`${JSON.stringify(field.default)}\``);

/** A pipe or a line break would end a cell of a table. */
const cell = (text: string) => text.replaceAll('\n', ' ').replaceAll(/(?<!\\)\|/g, '\\|');
