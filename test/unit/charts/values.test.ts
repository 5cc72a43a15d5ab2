/** values.yaml is the one source of the chart's README and of its schema: what it does not say cannot be generated. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { chartReadme } from '../../../hack/generate/chart-readme.ts';
import { readValues } from '../../../hack/generate/chart-values.ts';
import { CONSUMED_TYPES } from '../../../src/api/consumed.ts';
import { TIMEOUTS } from '../../../src/core/timeouts.ts';
import { LOG_LEVELS } from '../../../src/telemetry/log.ts';

const TEXT = `# About the file.

## Program

image:
  # Where it is.
  # @schema {minLength: 1}
  repository: example
# How many.
replicas: 2

## Network

# Peers
# of it | them.
# @schema {items: {type: object}}
peers:
  - name: a
# Limits.
# @schema {additionalProperties: true}
limits: {cpu: 1}
`;

test('a comment documents the value below it, a heading begins a section', () => {
  expect(readValues(TEXT).values).toEqual([
    { path: 'image.repository', section: 'Program', description: 'Where it is.', default: 'example' },
    { path: 'replicas', section: 'Program', description: 'How many.', default: 2 },
    { path: 'peers', section: 'Network', description: 'Peers of it | them.', default: [{ name: 'a' }] },
    { path: 'limits', section: 'Network', description: 'Limits.', default: { cpu: 1 } },
  ]);
});

test('the schema has the types of the defaults, adds what the comments say, and allows no other key', () => {
  expect(readValues(TEXT).schema).toMatchObject({
    additionalProperties: false,
    properties: {
      image: { type: 'object', additionalProperties: false, properties: { repository: { type: 'string', minLength: 1 } } },
      replicas: { type: 'integer' },
      peers: { type: 'array', items: { type: 'object' } },
      limits: { type: 'object', additionalProperties: true },
      global: { type: 'object' },
    },
  });
});

test.each([
  ['a value without a comment', 'a: 1\n', 'a: say in a comment above it what it does'],
  ['a map that may hold anything', '# All.\na: {}\n', 'a: its default says nothing about what may be in it'],
  ['a list that may hold anything', '# All.\na: []\n', 'a: its default says nothing'],
  ['a value without a default', '# All.\na:\n', 'a: give it a default'],
  ['keywords that are no map', '# All.\n# @schema string\na: ""\n', 'a: @schema is followed by a map'],
])('%s is refused', (_, text, message) => {
  expect(() => readValues(text)).toThrow(message);
});

test('the README has a row for each value, in a table for each section', () => {
  const readme = chartReadme(readValues(TEXT).values);
  expect(readme).toContain('### Program\n\n| value | default | what |\n|---|---|---|\n| `image.repository` | `example` | Where it is. |\n| `replicas` | `2` | How many. |\n');
  expect(readme).toContain('| `peers` | `[{"name":"a"}]` | Peers of it \\| them. |');
});

test('what the chart lets one choose from is what the program knows', () => {
  const { schema } = readValues(readFileSync(resolve(import.meta.dirname, '../../../charts/lablet-controller/values.yaml'), 'utf8'));
  expect(schema).toMatchObject({
    properties: {
      timeouts: { additionalProperties: false, patternProperties: { [`^(${Object.keys(TIMEOUTS).join('|')})$`]: {} } },
      // A controller that says nothing cannot be operated.
      logLevel: { enum: LOG_LEVELS.filter((level) => level !== 'silent') },
      ingest: { properties: { typeAliases: { additionalProperties: { enum: CONSUMED_TYPES } } } },
    },
  });
});
