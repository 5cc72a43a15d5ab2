/** The folder `released/`: what every version shipped. Later versions are held against it, and upgrades start from it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, valid } from 'semver';
import { dataSchema, EVENT_TYPES } from '../../src/api/event-schemas.ts';
import { isConsumedType } from '../../src/api/events.ts';
import { differs, incompatibilities } from './compatibility.ts';
import type { JsonSchema } from '../../src/api/event-schemas.ts';

/** Name of the program in the folder of a version. */
export const PROGRAM = 'lablet-controller.mjs';

/** Versions under `released/`, the oldest first. */
export function releasedVersions(root: string): string[] {
  return namesIn(join(root, 'released')).filter((name) => valid(name) !== null).sort(compare);
}

/** The schemas that a version shipped, by event type. */
export function releasedSchemas(root: string, version: string): Map<string, JsonSchema> {
  const folder = join(root, 'released', version, 'schemas');
  return new Map(namesIn(folder).map((file) => [file.replace(/\.json$/, ''), JSON.parse(readFileSync(join(folder, file), 'utf8')) as JsonSchema]));
}

/** Why the schemas of the sources must not follow these ones; empty: they may. */
export function schemaProblems(released: ReadonlyMap<string, JsonSchema>, schemaOf: (type: string) => JsonSchema | undefined = currentSchema): string[] {
  return [...released].flatMap(([type, older]) => {
    const newer = schemaOf(type);
    if (newer === undefined) return [`${type}: the type is gone; types are never removed`];
    const problems = incompatibilities(older, newer, isConsumedType(type) ? 'consumed' : 'emitted').map((problem) => `${type}: ${problem}; give the changed event a new type`);
    const isUnmarked = differs(older, newer) && older['$id'] === newer['$id'];
    return isUnmarked ? [...problems, `${type}: its schema has changed, but not its revision; raise it in the catalogue`] : problems;
  });
}

function currentSchema(type: string): JsonSchema | undefined {
  const known = EVENT_TYPES.find((candidate) => candidate === type);
  return known && dataSchema(known);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
