/** What an object remembers of the CloudEvents it caused: the transactional outbox and the history (contract §10.1). */
import { z } from 'zod';
import { sha256, text, time, uuid } from './schema.ts';

/** At most this many undelivered emissions an object, then the oldest non-terminal one is dropped and counted. */
export const OUTBOX_MAX_ENTRIES = 32;
/** At most this many bytes of undelivered emissions an object. */
export const OUTBOX_MAX_BYTES = 32 * 1024;
/** An entry is at most this long; its data is cut to fit before it is written. */
export const OUTBOX_ENTRY_MAX_BYTES = 2 * 1024;

/** Numbers of the archive's chain that follow one another, and the `prev` of the first of them: `7-12 5f0c…`. */
const chainRange = z.string().max(100).regex(/^[0-9]+-[0-9]+ [0-9a-f]{64}$/);
/** So many ranges of given-up numbers are named one by one; older ones are named by one range that spans them. */
export const DROPPED_RANGES_MAX = 8;

export const chainLink = z.object({
  n: z.number().int().min(1).describe('Place in the chain of this object, from 1.'),
  prev: sha256().describe('Hash of the record before it; 64 zeros for the first.'),
  base: text(256).describe('CLOUDEVENTS_SOURCE when it was recorded.'),
  dropped: z.array(chainRange).max(DROPPED_RANGES_MAX).optional().describe('Records that a full outbox gave up just before this one: first and last number, and the hash of the record before them.'),
});
export type ChainLink = z.output<typeof chainLink>;

export const chainHead = z.object({
  n: z.number().int().min(1).describe('Number of the last record.'),
  hash: sha256().describe('Its hash.'),
  dropped: z.array(chainRange).max(DROPPED_RANGES_MAX).optional().describe('Records that a full outbox gave up since then; the next record names them.'),
});
export type ChainHead = z.output<typeof chainHead>;

export const outboxEntry = z.object({
  id: uuid().describe('CloudEvents id: UUIDv5 of the object uid, the type and the sequence.'),
  type: text(128).describe('CloudEvents type.'),
  sequence: z.number().int().min(1).optional().describe('Position in the sequence of this object, from 1. A received event has none.'),
  revision: z.number().int().min(1).optional().describe('Revision of the schema of data; absent: 1.'),
  time: time().describe('When the transition was written.'),
  data: z.string().max(OUTBOX_ENTRY_MAX_BYTES).describe('The data as JSON text, kept as text so that every re-send has the same bytes.'),
  causationId: z.string().max(512).optional().describe('Id of the consumed event that caused this one.'),
  traceParent: z.string().max(128).optional().describe('W3C trace context in which the transition was made.'),
  secretRef: z
    .object({
      name: text(253).describe('Name of the Secret.'),
      key: text(253).describe('Key in the Secret.'),
      field: text(64).describe('Field of data that receives the value.'),
      sha256: sha256().optional().describe('Of the value: what the archive keeps in its place.'),
    })
    .optional()
    .describe('A value that is filled into the data when it is sent, since it must not stand in a status.'),
  chain: chainLink.optional().describe('Place in the archive; absent: it is archived already, or there is no archive.'),
  archiveOnly: z.boolean().optional().describe('Only the archive still waits for it: a received event, or one that every sink has.'),
});
export type OutboxEntry = z.output<typeof outboxEntry>;
/** An entry that is an event of ours. */
export type Emission = OutboxEntry & { sequence: number };

/** Is this one still to be sent to the sinks? */
export const isForSinks = (entry: OutboxEntry): entry is Emission => entry.sequence !== undefined && entry.archiveOnly !== true;


/** Fields of every status that emits events. */
export const emitterStatus = {
  sequence: z.number().int().min(0).optional().describe('Number of the last event recorded for this object.'),
  outbox: z.array(outboxEntry).max(OUTBOX_MAX_ENTRIES).optional().describe('Events that were recorded and are not yet acknowledged by the sink.'),
  chain: chainHead.optional().describe('Head of the chain of records in the archive (ARCHIVE_URL).'),
};

export const historyEntry = z.object({
  from: text(32).optional().describe('Phase before; absent for the first entry.'),
  to: text(32).describe('Phase after.'),
  at: time().describe('When the transition was written.'),
  reason: text(256).describe('Why, one word in CamelCase.'),
  actor: text(256).describe('Who: a user, scheduler, controller, lds, grading-engine, timer, poll.'),
  row: text(8).optional().describe('Row of the transition table, T0 to T21.'),
  eventId: z.string().max(512).optional().describe('Id of the consumed event that caused it.'),
});
export type HistoryEntry = z.output<typeof historyEntry>;

/** The newest transitions are kept, older ones leave as events only. */
export const HISTORY_MAX = 50;

/** Fields of the status of every kind that emits; used by the outbox functions. */
export interface EmitterStatus {
  sequence?: number | undefined;
  outbox?: OutboxEntry[] | undefined;
  chain?: ChainHead | undefined;
}
