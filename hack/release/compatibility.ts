/**
 * May a schema of events change so without a new type? (docs/events.md, "Schemas and versions")
 *
 * Data that one side writes must be what the other side, which has not changed, can read. So of an emitted type every
 * value that the newer schema allows must be one of the older schema; of a consumed type it is the other way round.
 * Keys are a matter of their own: further ones are always allowed, and one that was known once stays known.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonSchema } from '../../src/api/event-schemas.ts';

export type Direction = 'emitted' | 'consumed';

/**
 * Every reason why `newer` must not take the place of `older`, each with the path of the key; empty: it may.
 * What a keyword means that is not known here is not guessed: it must stay as it is.
 */
export function incompatibilities(older: JsonSchema, newer: JsonSchema, direction: Direction): string[] {
  const [narrow, wide] = direction === 'emitted' ? [newer, older] : [older, newer];
  return [...forgotten(older, newer, 'data'), ...wider(narrow, wide, 'data')];
}

/** Is the newer schema another one than the older, words aside? Then it needs another revision. */
export const differs = (older: JsonSchema, newer: JsonSchema): boolean => !isDeepStrictEqual(meaning(older), meaning(newer));

/** Keywords that only tell people something. */
const WORDS = ['$schema', '$id', 'title', 'description'];
/** Each bound, and whether a greater value of it lets more in (`maximum`) or less (`minimum`). */
const BOUNDS: Readonly<Record<string, 'upper' | 'lower'>> = {
  maximum: 'upper', exclusiveMaximum: 'upper', maxLength: 'upper', maxItems: 'upper', maxProperties: 'upper',
  minimum: 'lower', exclusiveMinimum: 'lower', minLength: 'lower', minItems: 'lower', minProperties: 'lower',
};
const STRUCTURE = ['anyOf', 'type', 'enum', 'properties', 'required', 'additionalProperties', 'propertyNames', 'items'];
const KNOWN = new Set([...WORDS, ...Object.keys(BOUNDS), ...STRUCTURE]);

const objectOf = (value: unknown): JsonSchema | undefined => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonSchema) : undefined);
const propertiesOf = (schema: JsonSchema): Record<string, JsonSchema> => (schema['properties'] ?? {}) as Record<string, JsonSchema>;
const requiredOf = (schema: JsonSchema): string[] => (schema['required'] ?? []) as string[];

/** The alternatives that a schema allows, one for each type. */
function alternatives(schema: JsonSchema): JsonSchema[] {
  const { anyOf, ...rest } = schema;
  if (anyOf !== undefined) return (anyOf as JsonSchema[]).flatMap((option) => alternatives({ ...rest, ...option }));
  return Array.isArray(schema['type']) ? schema['type'].map((type: unknown) => ({ ...schema, type })) : [schema];
}

/** Keys that the older schema knows and the newer does not: removed, or renamed. */
function forgotten(older: JsonSchema, newer: JsonSchema, path: string): string[] {
  const parts = (schema: JsonSchema): [name: string, part: JsonSchema][] => [
    ...Object.entries(propertiesOf(schema)).map(([key, part]): [string, JsonSchema] => [`.${key}`, part]),
    ...['items', 'additionalProperties'].flatMap((keyword): [string, JsonSchema][] => { const part = objectOf(schema[keyword]); return part ? [['[]', part]] : []; }),
  ];
  const kept = alternatives(newer).flatMap(parts);
  return alternatives(older).flatMap(parts).flatMap(([name, part]) => {
    const same = kept.filter(([candidate]) => candidate === name).map(([, candidate]) => candidate);
    return same.length === 0 ? [`${path}${name} is gone`] : forgotten(part, { anyOf: same }, `${path}${name}`);
  });
}

/** Why `narrow` allows something that `wide` does not; empty: every value of it is one of `wide`. */
function wider(narrow: JsonSchema, wide: JsonSchema, path: string): string[] {
  const options = alternatives(wide);
  return alternatives(narrow).flatMap((one) => {
    const reasons = options.filter((other) => isOfType(one, other)).map((other) => widerThanOne(one, other, path));
    if (reasons.some((found) => found.length === 0)) return [];
    return reasons[0] ?? [`${path}: type ${shown(one['type'])} on one side only`];
  });
}

const isOfType = (one: JsonSchema, other: JsonSchema): boolean =>
  other['type'] === undefined || one['type'] === other['type'] || (one['type'] === 'integer' && other['type'] === 'number');

/** Both are of one type and without alternatives. */
function widerThanOne(narrow: JsonSchema, wide: JsonSchema, path: string): string[] {
  return [
    ...requiredOf(wide).filter((key) => !requiredOf(narrow).includes(key)).map((key) => `${path}.${key} is mandatory on one side only`),
    ...Object.entries(propertiesOf(wide)).flatMap(([key, schema]) => {
      const same = propertiesOf(narrow)[key];
      return same === undefined ? [] : wider(same, schema, `${path}.${key}`);
    }),
    ...(['items', 'additionalProperties', 'propertyNames'] as const).flatMap((keyword) => widerPart(narrow[keyword], wide[keyword], keyword, path)),
    ...Object.entries(BOUNDS).filter(([bound, side]) => isLooser(narrow[bound], wide[bound], side)).map(([bound]) => `${path}: ${bound} differs (${shown(narrow[bound])} and ${shown(wide[bound])})`),
    ...widerEnum(narrow['enum'], wide['enum'], path),
    ...[...new Set([...Object.keys(narrow), ...Object.keys(wide)])]
      .filter((keyword) => !KNOWN.has(keyword) && !isDeepStrictEqual(narrow[keyword], wide[keyword]))
      .map((keyword) => `${path}: ${keyword} differs (${shown(narrow[keyword])} and ${shown(wide[keyword])})`),
  ];
}

function widerPart(narrow: unknown, wide: unknown, keyword: string, path: string): string[] {
  if (wide === undefined || wide === true || isDeepStrictEqual(narrow, wide)) return [];
  const [one, other] = [objectOf(narrow), objectOf(wide)];
  return one && other ? wider(one, other, `${path}.${keyword}`) : [`${path}: ${keyword} differs (${shown(narrow)} and ${shown(wide)})`];
}

function widerEnum(narrow: unknown, wide: unknown, path: string): string[] {
  if (!Array.isArray(wide)) return [];
  const values: unknown[] = Array.isArray(narrow) ? narrow : ['any other'];
  return values.filter((value) => !wide.includes(value)).map((value) => `${path}: the value ${String(value)} is allowed on one side only`);
}

/** Lets the one bound in what the other keeps out? */
function isLooser(narrow: unknown, wide: unknown, side: 'upper' | 'lower'): boolean {
  if (typeof wide !== 'number') return false;
  return typeof narrow !== 'number' || (side === 'upper' ? narrow > wide : narrow < wide);
}

const shown = (value: unknown): string => (value === undefined ? 'none' : JSON.stringify(value));

/** Without words, at every depth. A key of data may be called `description`: what stands under `properties` is no keyword. */
function meaning(schema: JsonSchema): unknown {
  return Object.fromEntries(Object.entries(schema).filter(([keyword]) => !WORDS.includes(keyword)).map(([keyword, value]) => [keyword, meaningOf(keyword, value)]));
}

function meaningOf(keyword: string, value: unknown): unknown {
  if (keyword === 'properties') return Object.fromEntries(Object.entries(value as Record<string, JsonSchema>).map(([key, schema]) => [key, meaning(schema)]));
  if (keyword === 'anyOf') return (value as JsonSchema[]).map(meaning);
  const nested = objectOf(value);
  return nested ? meaning(nested) : value;
}
