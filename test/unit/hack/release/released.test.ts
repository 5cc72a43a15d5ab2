import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { dataSchema, EVENT_TYPES } from '../../../../src/api/event-schemas.ts';
import { PROGRAM, releasedSchemas, releasedVersions, schemaProblems } from '../../../../hack/release/released.ts';
import type { JsonSchema } from '../../../../src/api/event-schemas.ts';

const root = resolve(import.meta.dirname, '../../../..');
const versions = releasedVersions(root);

for (const version of versions) {
  describe(`what ${version} shipped`, () => {
    const folder = join(root, 'released', version);

    test('can be followed by the schemas of today', () => {
      const schemas = releasedSchemas(root, version);
      expect(schemas.size).toBeGreaterThanOrEqual(23);
      expect(schemaProblems(schemas)).toEqual([]);
    });

    test('is whole: schemas, CRDs, manifests, and a program that starts on its own', () => {
      expect(readdirSync(folder)).toEqual(expect.arrayContaining(['config', 'crds', PROGRAM, 'schemas']));
      expect(readdirSync(join(folder, 'crds'))).not.toHaveLength(0);
      const started = spawnSync(process.execPath, [join(folder, PROGRAM), '--help'], { encoding: 'utf8', env: {}, cwd: '/' });
      expect([started.status, started.stdout]).toEqual([0, expect.stringContaining('Usage: lablet-controller')]);
    });
  });
}

describe('a schema of today is refused', () => {
  const type = 'ccm.lablet.session.stopped';
  const today = dataSchema(type);
  const changed = (change: (properties: Record<string, JsonSchema>) => Record<string, JsonSchema>, rest: object = {}): JsonSchema => ({ ...today, ...rest, properties: change(today['properties'] as Record<string, JsonSchema>) });
  const problems = (newer: JsonSchema | undefined): string => schemaProblems(new Map([[type, today]]), () => newer).join('\n');

  test('if its type is gone', () => {
    expect(problems(undefined)).toMatch(/stopped: the type is gone/);
  });

  test('if a reader of the released one could not read it', () => {
    expect(problems(changed((properties) => Object.fromEntries(Object.entries(properties).filter(([key]) => key !== 'worker_seconds')), { $id: 'v2' }))).toBe('ccm.lablet.session.stopped: data.worker_seconds is gone; give the changed event a new type');
  });

  test('if it differs and says that it does not', () => {
    const more = (properties: Record<string, JsonSchema>) => ({ ...properties, site: { type: 'string' } });
    expect(problems(changed(more))).toMatch(/not its revision/);
    expect(problems(changed(more, { $id: 'v2' }))).toBe('');
    expect(problems({ ...today, description: 'Said better.' })).toBe('');
  });
});

test('every type has a schema of its own', () => {
  expect(new Set(EVENT_TYPES.map((type) => dataSchema(type)['$id'])).size).toBe(23);
});
