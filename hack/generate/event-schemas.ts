/** src/events/schemas/*.json: the data of every event as JSON Schema, the files that are shipped. */
import { dataSchema, EVENT_TYPES } from '../../src/api/event-schemas.ts';
import type { Generator } from './output.ts';

export const SCHEMA_FOLDER = 'src/events/schemas';

export const eventSchemas: Generator = {
  name: 'event schemas',
  owns: [{ folder: SCHEMA_FOLDER, extension: '.json' }],
  files: () => new Map(EVENT_TYPES.map((type) => [`${SCHEMA_FOLDER}/${type}.json`, `${JSON.stringify(dataSchema(type), null, 2)}\n`])),
};
