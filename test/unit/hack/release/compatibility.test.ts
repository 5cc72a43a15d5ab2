import { describe, expect, test } from '@jest/globals';
import { differs, incompatibilities } from '../../../../hack/release/compatibility.ts';
import type { JsonSchema } from '../../../../src/api/event-schemas.ts';

const id = { type: 'string', minLength: 1, maxLength: 64 };
const schema = (properties: Record<string, JsonSchema>, required: string[] = []): JsonSchema => ({ type: 'object', properties, required });
const both = (older: JsonSchema, newer: JsonSchema) => ({ emitted: incompatibilities(older, newer, 'emitted'), consumed: incompatibilities(older, newer, 'consumed') });
const fine: string[] = [];

describe('a change of data is fine', () => {
  test('for everybody where nothing changes but the words', () => {
    const older = schema({ id: { ...id, description: 'The id.' } }, ['id']);
    const newer = { ...schema({ id: { ...id, description: 'Id of the session.' } }, ['id']), title: 'x', $id: 'y' };
    expect(both(older, newer)).toEqual({ emitted: fine, consumed: fine });
    expect(differs(older, newer)).toBe(false);
  });

  test('for readers of what we emit where a key is added, optional or not', () => {
    expect(incompatibilities(schema({ id }, ['id']), schema({ id, score: { type: 'number' } }, ['id', 'score']), 'emitted')).toEqual(fine);
  });

  test('for senders of what we consume where an optional key is added, and not where it is mandatory', () => {
    expect(incompatibilities(schema({ id }), schema({ id, score: { type: 'number' } }), 'consumed')).toEqual(fine);
    expect(incompatibilities(schema({ id }), schema({ id, score: { type: 'number' } }, ['score']), 'consumed')).toEqual(['data.score is mandatory on one side only']);
  });
});

describe('a key', () => {
  test('that is removed or renamed breaks both, wherever it stands', () => {
    expect(both(schema({ id, note: id }), schema({ id, remark: id }))).toEqual({ emitted: ['data.note is gone'], consumed: ['data.note is gone'] });
    const sections = (section: JsonSchema): JsonSchema => schema({ sections: { anyOf: [{ type: 'array', items: section }, { type: 'null' }] } });
    expect(both(sections(schema({ name: id })), sections(schema({ title: id })))).toEqual({ emitted: ['data.sections[].name is gone'], consumed: ['data.sections[].name is gone'] });
  });

  test('that was mandatory and becomes optional breaks readers; senders may go on as they are', () => {
    expect(both(schema({ id }, ['id']), schema({ id }))).toEqual({ emitted: ['data.id is mandatory on one side only'], consumed: fine });
  });

  test('that was optional and becomes mandatory breaks senders; readers find more than they asked for', () => {
    expect(both(schema({ id }), schema({ id }, ['id']))).toEqual({ emitted: fine, consumed: ['data.id is mandatory on one side only'] });
  });
});

describe('a value', () => {
  const of = (value: JsonSchema): JsonSchema => schema({ value });
  /** How the first is written, how the second: it is narrower. */
  test.each<[string, JsonSchema, JsonSchema]>([
    ['of fewer words', { type: 'string', enum: ['a', 'b', 'c'] }, { type: 'string', enum: ['a', 'b'] }],
    ['of some words instead of any', { type: 'string' }, { type: 'string', enum: ['a'] }],
    ['that is shorter', { type: 'string', maxLength: 20 }, { type: 'string', maxLength: 10 }],
    ['with a bound where there was none', { type: 'number' }, { type: 'number', minimum: 0 }],
    ['that is whole', { type: 'number' }, { type: 'integer' }],
    ['that is never null', { anyOf: [{ type: 'string' }, { type: 'null' }] }, { type: 'string' }],
    ['that is never null, in the short form', { type: ['string', 'null'] }, { type: 'string' }],
    ['of a list of such', { type: 'array', items: { type: 'number' } }, { type: 'array', items: { type: 'integer' } }],
    ['of a map of such', { type: 'object', additionalProperties: { type: 'number' } }, { type: 'object', additionalProperties: { type: 'integer' } }],
    ['of a map with shorter keys', { type: 'object', propertyNames: { type: 'string', maxLength: 20 } }, { type: 'object', propertyNames: { type: 'string', maxLength: 10 } }],
  ])('%s is a change that readers can live with and senders cannot; and the way back is the other way round', (_, wide, narrow) => {
    const narrowed = both(of(wide), of(narrow));
    expect(narrowed.emitted).toEqual(fine);
    expect(narrowed.consumed).not.toEqual(fine);
    const widened = both(of(narrow), of(wide));
    expect(widened.emitted).not.toEqual(fine);
    expect(widened.consumed).toEqual(fine);
    expect([narrowed.consumed[0], widened.emitted[0]]).toEqual([expect.stringContaining('data.value'), expect.stringContaining('data.value')]);
  });

  test.each<[string, JsonSchema, JsonSchema]>([
    ['of another type', { type: 'string' }, { type: 'number' }],
    ['of another pattern, since nobody can tell which is the wider', { type: 'string', pattern: '^a' }, { type: 'string', pattern: '^[ab]' }],
    ['of another format', { type: 'string' }, { type: 'string', format: 'date-time' }],
    ['under a keyword that is not known here', { type: 'number' }, { type: 'number', multipleOf: 2 }],
  ])('%s breaks both', (_, older, newer) => {
    const { emitted, consumed } = both(of(older), of(newer));
    expect(emitted).not.toEqual(fine);
    expect(consumed).not.toEqual(fine);
  });
});

test('a key of data may have the name of a keyword', () => {
  const older = schema({ description: id, title: id }, ['title']);
  expect(differs(older, schema({ description: id, title: { ...id, maxLength: 65 } }, ['title']))).toBe(true);
  expect(incompatibilities(older, schema({ title: id }, ['title']), 'emitted')).toEqual(['data.description is gone']);
});
