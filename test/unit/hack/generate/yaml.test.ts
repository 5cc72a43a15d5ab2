import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { manifest } from '../../../../hack/generate/yaml.ts';

test('what kubectl reads, which is YAML 1.1, is what was written: names that look like booleans or times are names', () => {
  const object = { required: ['n', 'y', 'on', 'no', '12:30:45', '1_000', '~'], properties: { n: { type: 'integer' }, off: { type: 'string' } } };
  expect(parse(manifest('a test', [object]), { version: '1.1' })).toEqual(object);
});
