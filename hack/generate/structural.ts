/**
 * zod → the structural OpenAPI v3 schema that a CRD may carry. What the API server would refuse, or accept without a
 * bound or an explanation, is refused here, with the path of the field.
 */
import { z } from 'zod';
import { PATTERN_MESSAGE } from '../../src/api/schema.ts';
import type { CelRule } from '../../src/api/schema.ts';

/** A structural schema, its keys in the order in which people read them. */
export interface Structural {
  description?: string;
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  format?: string;
  default?: unknown;
  enum?: unknown[];
  nullable?: boolean;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minimum?: number;
  exclusiveMinimum?: boolean;
  maximum?: number;
  exclusiveMaximum?: boolean;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  anyOf?: Structural[];
  items?: Structural;
  additionalProperties?: Structural;
  properties?: Record<string, Structural>;
  required?: string[];
  'x-kubernetes-int-or-string'?: true;
  'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-validations'?: CelRule[];
}

/** A schema that cannot become part of a CRD; the message names the field and the way out. */
export class UnstructuralSchemaError extends Error {
  override readonly name = 'UnstructuralSchemaError';
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
  }
}

/** Who writes the field: it decides between a cheap pattern and a rule with a message in words. */
export type Author = 'people' | 'controller';

/**
 * @param path where the schema stands, for error messages (`LabletSession.spec`)
 * @throws UnstructuralSchemaError for unions, shared schemas, look-around patterns, missing descriptions and missing bounds
 */
export function toStructural(schema: z.ZodType, path: string, author: Author): Structural {
  return convert(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }), path, author, true);
}

type Json = Record<string, unknown>;

/** Keywords that go through as they are, in the order of the output; the nested ones are converted in `convert`. */
const SCALARS = [
  'description', 'type', 'format', 'default', 'enum', 'nullable', 'minLength', 'maxLength', 'pattern', 'minimum', 'exclusiveMinimum', 'maximum',
  'exclusiveMaximum', 'minItems', 'maxItems', 'minProperties', 'maxProperties',
] as const;
const NESTED = ['anyOf', 'items', 'additionalProperties', 'properties', 'required'];
const EXTENSIONS = ['x-kubernetes-int-or-string', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-validations'] as const;
const KNOWN = new Set<string>([...SCALARS, ...NESTED, ...EXTENSIONS, PATTERN_MESSAGE]);

function convert(json: Json, path: string, author: Author, needsDescription: boolean): Structural {
  refuse(json, path, needsDescription);
  const out: Json = {};
  for (const key of SCALARS) if (json[key] !== undefined && !isSafeIntegerBound(key, json[key])) out[key] = json[key];

  if (json['x-kubernetes-int-or-string'] === true) out['anyOf'] = [{ type: 'integer' }, { type: 'string' }];
  if (json['items'] !== undefined) out['items'] = convert(json['items'] as Json, `${path}[]`, author, false);
  // zod says `false` for a strict object; structural schemas prune unknown fields anyway and refuse the keyword beside properties.
  if (typeof json['additionalProperties'] === 'object') out['additionalProperties'] = convert(json['additionalProperties'] as Json, `${path}.*`, author, false);
  if (json['properties'] !== undefined) {
    const properties = Object.entries(json['properties'] as Record<string, Json>);
    out['properties'] = Object.fromEntries(properties.map(([name, property]) => [name, convert(property, `${path}.${name}`, author, true)]));
  }
  if (json['required'] !== undefined) out['required'] = json['required'];
  for (const key of EXTENSIONS) if (json[key] !== undefined) out[key] = json[key];

  const message = json[PATTERN_MESSAGE];
  if (typeof message === 'string' && author === 'people') {
    const rule: CelRule = { rule: `self.matches(r'${String(json['pattern'])}')`, message };
    out['x-kubernetes-validations'] = [rule, ...((json['x-kubernetes-validations'] ?? []) as CelRule[])];
    delete out['pattern'];
  }
  return out;
}

function refuse(json: Json, path: string, needsDescription: boolean): void {
  const fail = (problem: string): never => {
    throw new UnstructuralSchemaError(path, problem);
  };
  const intOrString = json['x-kubernetes-int-or-string'] === true;
  if ('$ref' in json || '$defs' in json || 'definitions' in json) fail('a shared schema ($ref) is not structural; write a function that makes a new one for each use');
  if ('oneOf' in json || 'allOf' in json || 'not' in json || ('anyOf' in json && !intOrString)) {
    fail('a union is not structural; use optional fields and one CEL rule, or x-kubernetes-int-or-string');
  }
  if (json['type'] === undefined && !intOrString) fail('the type is unknown; structural schemas need one');
  if (needsDescription && (typeof json['description'] !== 'string' || json['description'].trim() === '')) fail('has no description; kubectl explain shows it: add .describe(...)');
  if (json['type'] === 'string' && json['maxLength'] === undefined && json['enum'] === undefined) fail('a string needs a bound, else CEL rules cost too much: add .max(n)');
  if (json['type'] === 'array' && json['maxItems'] === undefined) fail('a list needs a bound, else CEL rules cost too much: add .max(n)');
  if (typeof json['additionalProperties'] === 'object' && json['maxProperties'] === undefined) fail('a map needs a bound, else CEL rules cost too much: add .meta({ maxProperties: n })');
  if (typeof json['additionalProperties'] === 'object' && json['properties'] !== undefined) fail('named fields beside free ones are not structural; put the free ones into a map of their own');
  const pattern = json['pattern'];
  if (typeof pattern === 'string') {
    if (/\(\?<?[=!]|\\[1-9]|\(\?<[a-zA-Z]/.test(pattern)) fail(`the pattern ${pattern} is not RE2: no look-around, back reference or named group`);
    if (pattern.includes("'")) fail(`the pattern ${pattern} cannot be quoted in a CEL rule: leave the quote out`);
  }
  const unknown = Object.keys(json).find((key) => !KNOWN.has(key) && !(key === 'propertyNames'));
  if (unknown !== undefined) fail(`the keyword ${unknown} is not known to structural schemas`);
}

/** zod bounds every integer by what JavaScript can hold, which says nothing to a reader of the CRD. */
function isSafeIntegerBound(key: string, value: unknown): boolean {
  return (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) || (key === 'maximum' && value === Number.MAX_SAFE_INTEGER);
}
