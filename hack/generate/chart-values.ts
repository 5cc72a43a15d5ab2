/**
 * What charts/lablet-controller/values.yaml says of each value, for its README and its JSON Schema. The file is written by
 * hand: the comment above a key documents it, `@schema {…}` in it adds keywords of JSON Schema to what the default says,
 * and a comment `## Title` after a blank line begins a section.
 */
import { isMap, isScalar, parse, parseDocument } from 'yaml';
import type { Pair, YAMLMap } from 'yaml';

type Schema = Record<string, unknown>;

/** One value that people set. */
export interface ChartValue {
  /** As `helm --set` takes it: `ingest.tls.secret`. */
  readonly path: string;
  readonly section: string;
  readonly description: string;
  readonly default: unknown;
}

export interface ChartValues {
  /** In the order of the file. */
  readonly values: readonly ChartValue[];
  /** JSON Schema, draft 7, as Helm reads it: no other key than those of the file, at any depth. */
  readonly schema: Schema;
}

/** values.yaml does not say enough about a key; the message says what is missing. */
class ValuesError extends Error {
  override readonly name = 'ValuesError';
}

/** @throws ValuesError for a value without a comment, or an empty default whose contents nobody described */
export function readValues(text: string): ChartValues {
  const { contents, commentBefore } = parseDocument(text);
  if (!isMap(contents)) throw new ValuesError('values.yaml has no keys');
  const values: ChartValue[] = [];
  // What stands above the first key belongs to the document.
  const { properties } = objectSchema(contents, [], values, { section: headingIn(commentBefore ?? '') ?? '' });
  // A parent chart hands its `global` down whether we use it or not.
  const schema = { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', additionalProperties: false, properties: { ...(properties as Schema), global: { type: 'object' } } };
  return { values, schema };
}

function objectSchema(map: YAMLMap, path: readonly string[], found: ChartValue[], at: { section: string }): Schema {
  const properties: Schema = {};
  map.items.forEach((pair, index) => {
    const key = nameOf(pair);
    // The comment above the first key of a nested map belongs to the map node.
    const comment = (isScalar(pair.key) ? pair.key.commentBefore : undefined) ?? (index === 0 ? map.commentBefore : undefined) ?? '';
    at.section = headingIn(comment) ?? at.section;
    properties[key] = valueSchema(pair, [...path, key], comment, found, at);
  });
  return { type: 'object', additionalProperties: false, properties };
}

function valueSchema(pair: Pair, path: readonly string[], comment: string, found: ChartValue[], at: { section: string }): Schema {
  const name = path.join('.');
  const { description, keywords } = readComment(comment, name);
  if (isMap(pair.value) && pair.value.items.length > 0 && keywords === undefined) return objectSchema(pair.value, path, found, at);
  if (description === '') throw new ValuesError(`${name}: say in a comment above it what it does`);
  const value: unknown = isScalar(pair.value) ? pair.value.value : (pair.value as YAMLMap).toJSON();
  const type = typeOf(value, name);
  const isEmpty = typeof value === 'object' && Object.keys(value ?? {}).length === 0;
  if (isEmpty && keywords === undefined) throw new ValuesError(`${name}: its default says nothing about what may be in it; add @schema {…} to its comment`);
  found.push({ path: name, section: at.section, description, default: value });
  return { type, description, ...keywords };
}

function readComment(comment: string, name: string): { description: string; keywords: Schema | undefined } {
  // Comments before the last blank line are headings.
  const lines = (comment.split('\n\n').at(-1) ?? '').split('\n').map((line) => line.trim());
  const schema = lines.find((line) => line.startsWith('@schema '));
  const description = lines.filter((line) => !line.startsWith('@schema ') && !line.startsWith('#')).join(' ').trim();
  const keywords: unknown = schema === undefined ? undefined : parse(schema.slice('@schema '.length));
  if (keywords !== undefined && (typeof keywords !== 'object' || keywords === null)) throw new ValuesError(`${name}: @schema is followed by a map in one line`);
  return { description, keywords: keywords as Schema | undefined };
}

/** Comments come without their first #. */
const headingIn = (comment: string): string | undefined => [...comment.matchAll(/^# (.+)$/gm)].at(-1)?.[1];

function typeOf(value: unknown, name: string): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'object' && value !== null) return 'object';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  if (typeof value === 'string' || typeof value === 'boolean') return typeof value;
  throw new ValuesError(`${name}: give it a default, "" where nothing is set`);
}

const nameOf = (pair: Pair): string => String(isScalar(pair.key) ? pair.key.value : pair.key);
