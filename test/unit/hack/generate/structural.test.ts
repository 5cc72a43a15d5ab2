/** What cannot stand in a CRD is refused while it is generated, by the path of the field and with a way out. */
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { toStructural, UnstructuralSchemaError } from '../../../../hack/generate/structural.ts';
import { formed, quantity, rules } from '../../../../src/api/schema.ts';

const convert = (field: z.ZodType, author: 'people' | 'controller' = 'people') => toStructural(z.object({ field }).describe('Outer.'), 'Kind.spec', author);
const shared = z.object({ name: z.string().max(8).describe('Name.') }).meta({ id: 'Shared', description: 'Shared.' });

describe('refused are', () => {
  test.each<[string, z.ZodType, string]>([
    ['a field without a description', z.boolean(), 'Kind.spec.field: has no description'],
    ['a blank description', z.boolean().describe(' '), 'Kind.spec.field: has no description'],
    ['a field of a list element without a description', z.array(z.object({ port: z.int() })).max(3).describe('List.'), 'Kind.spec.field[].port: has no description'],
    ['a union', z.union([z.string().max(8), z.boolean()]).describe('Union.'), 'Kind.spec.field: a union is not structural'],
    ['a discriminated union', z.discriminatedUnion('kind', [z.object({ kind: z.literal('a') }), z.object({ kind: z.literal('b') })]).describe('Union.'), 'Kind.spec.field: a union is not structural'],
    ['a shared schema', z.object({ one: shared, two: shared }).describe('Outer.'), 'a shared schema ($ref) is not structural'],
    ['a value of any type', z.unknown().describe('Anything.'), 'Kind.spec.field: the type is unknown'],
    ['a string without a bound', z.string().describe('Text.'), 'Kind.spec.field: a string needs a bound'],
    ['a list without a bound', z.array(z.boolean()).describe('List.'), 'Kind.spec.field: a list needs a bound'],
    ['a map without a bound', z.record(z.string(), z.boolean()).describe('Map.'), 'Kind.spec.field: a map needs a bound'],
    ['named fields beside free ones', z.object({ name: z.string().max(8).describe('Name.') }).catchall(z.boolean()).meta({ description: 'Both.', maxProperties: 3 }), 'named fields beside free ones'],
    ['a pattern with a lookahead', z.string().max(8).regex(/^(?=a)b$/).describe('Text.'), 'is not RE2'],
    ['a pattern with a back reference', z.string().max(8).regex(/^(a)\1$/).describe('Text.'), 'is not RE2'],
    ['a pattern that a rule cannot quote', formed(z.string().max(8), /^'$/, 'must be a quote').describe('Text.'), 'cannot be quoted'],
    ['a keyword that the API server does not know', z.boolean().meta({ description: 'Flag.', examples: [true] }), 'the keyword examples is not known'],
  ])('%s', (_what, field, message) => {
    expect(() => convert(field)).toThrow(UnstructuralSchemaError);
    expect(() => convert(field)).toThrow(message);
  });
});

describe('kept are', () => {
  test('defaults, which make a field optional', () => {
    const schema = convert(z.enum(['Queue', 'Strict']).default('Queue').describe('Admission.'));
    expect(schema.properties?.['field']).toEqual({ description: 'Admission.', type: 'string', default: 'Queue', enum: ['Queue', 'Strict'] });
    expect(schema.required).toBeUndefined();
  });

  test('rules, beside the field that they speak of', () => {
    const positive = { rule: 'self > 0', message: 'must be positive' };
    expect(convert(rules(z.int(), positive).describe('Number.')).properties?.['field']?.['x-kubernetes-validations']).toEqual([positive]);
  });

  test('the choice between a number and a text in quantities', () => {
    expect(convert(quantity().describe('Memory.')).properties?.['field']).toMatchObject({ 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] });
  });

  test('bounds of numbers that somebody wrote, without those of JavaScript', () => {
    expect(convert(z.int().min(1).describe('Count.')).properties?.['field']).toEqual({ description: 'Count.', type: 'integer', minimum: 1 });
  });
});

test('unknown fields are pruned by the API server: the keyword that zod writes for a strict object is left out', () => {
  expect(convert(z.strictObject({ name: z.string().max(8).describe('Name.') }).describe('Strict.')).properties?.['field']).not.toHaveProperty('additionalProperties');
});

describe('a text of a given form', () => {
  const version = formed(z.string().max(8), /^v[0-9]$/, 'must be v and a digit').optional().describe('Version.');

  test('has a message in words where people write it', () => {
    const field = convert(version, 'people').properties?.['field'];
    expect(field?.['x-kubernetes-validations']).toEqual([{ rule: "self.matches(r'^v[0-9]$')", message: 'must be v and a digit' }]);
    expect(field).not.toHaveProperty('pattern');
  });

  test('has a pattern, which costs less, where the controller writes it', () => {
    expect(convert(version, 'controller').properties?.['field']).toEqual({ description: 'Version.', type: 'string', maxLength: 8, pattern: '^v[0-9]$' });
  });

  test('is checked by zod with the same message', () => {
    expect(() => version.parse('1')).toThrow('must be v and a digit');
  });
});
