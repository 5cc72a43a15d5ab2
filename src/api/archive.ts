/** A record of the archive: one emitted or received event, and its place in the chain of its object. */
import { z } from 'zod';
import { sha256, text, time } from './schema.ts';

/** Which object a record is about. The uid tells it from others that had the name. */
export const archivedObject = z.looseObject({
  kind: text(64),
  namespace: text(253).optional(),
  name: text(253),
  uid: text(64),
});
export type ArchivedObject = z.output<typeof archivedObject>;

const attributes = { id: text(512), source: text(1024), type: text(256), subject: z.string().optional() };

/** What left as a CloudEvent. A value of a Secret is `sha256:…` (null where it is not known) and its field is named in `masked`. */
const emittedEvent = z.looseObject({
  ...attributes,
  time: time(),
  sequence: z.number().int().min(1),
  /** Of the schema of data; absent: 1. */
  revision: z.number().int().min(1).optional(),
  causationid: z.string().optional(),
  traceparent: z.string().optional(),
  masked: z.string().optional(),
  data: z.record(z.string(), z.unknown()),
});

/** What was received. `sha256` is that of the whole event in canonical JSON; long data and attributes are known by it alone. */
const receivedEvent = z.looseObject({
  ...attributes,
  time: z.string().optional(),
  extensions: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  receivedAt: time(),
  result: z.enum(['Applied', 'Ignored', 'Deferred']),
  sha256: sha256(),
  data: z.unknown().optional(),
});

/**
 * Unknown fields are kept: the hash covers all of a record but `chain.hash` itself and `archivedAt`, so that what
 * somebody adds is found like what somebody changes.
 */
const common = {
  chain: z.looseObject({ n: z.number().int().min(1), prev: sha256(), hash: sha256(), dropped: z.array(z.string()).optional() }),
  object: archivedObject,
  /** When it was put into the archive; not part of the hash, since nobody knows it when the hash is made. */
  archivedAt: time().optional(),
};
export const archiveRecord = z.discriminatedUnion('direction', [
  z.looseObject({ ...common, direction: z.literal('out'), event: emittedEvent }),
  z.looseObject({ ...common, direction: z.literal('in'), event: receivedEvent }),
]);
export type ArchiveRecord = z.output<typeof archiveRecord>;

/** What the archive keeps of a received event, beside what identifies it. */
export interface Receipt {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time?: string | undefined;
  readonly subject?: string | undefined;
  readonly extensions?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Of the whole event in canonical JSON. */
  readonly sha256: string;
  /** Its data as a JSON value. */
  readonly data?: unknown;
}
