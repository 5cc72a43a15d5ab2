/** The event catalogue as JSON Schemas (2020-12): what `dataschema` names, what is served at /schemas/ and shipped as files. */
import { z } from 'zod';
import { CONSUMED, CONSUMED_TYPES, isConsumedType } from './consumed.ts';
import { EMITTED, EMITTED_TYPES } from './events.ts';
import type { ConsumedType } from './consumed.ts';
import type { EmittedType } from './events.ts';

export type EventType = EmittedType | ConsumedType;
/** All types of the catalogue, the emitted ones first. */
export const EVENT_TYPES: readonly EventType[] = [...EMITTED_TYPES, ...CONSUMED_TYPES];

/** A JSON Schema as plain data. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const schemas = new Map<EventType, JsonSchema>();

/**
 * The JSON Schema of the data of a type. What it does not name is allowed besides: a reader must ignore keys that it
 * does not know, since a compatible change adds some. The same object on every call.
 */
export function dataSchema(type: EventType): JsonSchema {
  const known = schemas.get(type);
  if (known !== undefined) return known;
  const { summary, revision, data } = isConsumedType(type) ? CONSUMED[type] : EMITTED[type];
  // `input`: the form in which data is on the wire, before anything is normalised, and open to further keys.
  const { $schema, ...rest } = plain(z.toJSONSchema(data, { target: 'draft-2020-12', io: 'input' })) as Record<string, unknown>;
  const schema = Object.freeze({ $schema, $id: schemaUri(type, revision), title: type, description: summary, ...rest });
  schemas.set(type, schema);
  return schema;
}

/** Value of the attribute `dataschema` for a type: the `$id` of the schema as it is now. */
export const dataSchemaUri = (type: EventType): string => schemaUri(type, (isConsumedType(type) ? CONSUMED[type] : EMITTED[type]).revision);

/**
 * CloudEvents wants an absolute URI here. Ours is a name under the domain of the API group and not the address of one
 * installation, so that it is the same in every cluster, and the bytes of an event do not depend on where the
 * controller can be reached. The path is the one at which WEB_PORT serves the schema.
 * @param revision of the schema with which the event was recorded
 */
export const schemaUri = (type: string, revision = 1): string => `https://lablet.dev/schemas/${type}/v${revision}.json`;

/** Without what zod adds for JavaScript alone: bounds of safe integers, and keys that are there for the CRDs. */
function plain(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(plain);
  if (typeof json !== 'object' || json === null) return json;
  const kept = Object.entries(json).filter(([key, value]) => !key.startsWith('x-') && value !== Number.MAX_SAFE_INTEGER && value !== Number.MIN_SAFE_INTEGER);
  return Object.fromEntries(kept.map(([key, value]) => [key, plain(value)]));
}
