/** `/schemas`: the JSON Schemas of all events, as the program that answers knows them. */
import { Router } from 'express';
import { dataSchema, dataSchemaUri, EVENT_TYPES } from '../api/event-schemas.ts';
import { isConsumedType } from '../api/events.ts';
import type { EventType } from '../api/event-schemas.ts';

/** What a list of `/schemas/` says of a type. */
interface Listed {
  readonly type: EventType;
  /** As seen from the controller. */
  readonly direction: 'emitted' | 'consumed';
  /** Value of the attribute of that name. */
  readonly dataschema: string;
  /** Relative to the list. */
  readonly href: string;
}

/**
 * `/` lists the types, `/<type>.json` is the schema of one, and so is the path of its `dataschema`, `/<type>/v<n>.json`;
 * an older or newer revision than ours is not found.
 */
export function schemasRouter(): Router {
  const list: Listed[] = EVENT_TYPES.map((type) => ({
    type, direction: isConsumedType(type) ? 'consumed' : 'emitted', dataschema: dataSchemaUri(type), href: `${type}.json`,
  }));
  const router = Router();
  router.get('/', (_, response) => {
    response.json({ schemas: list });
  });
  for (const type of EVENT_TYPES) {
    const revision = dataSchemaUri(type).split('/').at(-1) ?? '';
    router.get([`/${type}.json`, `/${type}/${revision}`], (_, response) => {
      response.type('application/schema+json').send(JSON.stringify(dataSchema(type)));
    });
  }
  return router;
}
