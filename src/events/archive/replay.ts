/** Sends recorded events again, as they were: the same ids, sources, sequences and data. */
import { envelope } from '../envelope.ts';
import type { ArchiveRecord } from '../../api/archive.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { CloudEvent } from '../cloudevent.ts';
import type { Sink } from '../sink.ts';

export type EmittedRecordOf = Extract<ArchiveRecord, { direction: 'out' }>;

/**
 * The event of a record, through the very function that made it when it was sent first. A launch URL is not in the
 * archive: it is null, as it was for those who asked after its Secret was gone.
 */
function eventOfRecord({ object, event }: EmittedRecordOf): CloudEvent {
  const plural = event.source.split('/').at(-2) ?? '';
  const base = event.source.slice(0, -`/${plural}/${object.uid}`.length);
  const { id, type, sequence, time, revision, causationid, traceparent, masked, data } = event;
  const entry = {
    id, type, sequence, time, data: JSON.stringify(data),
    ...(revision === undefined ? {} : { revision }),
    ...(causationid === undefined ? {} : { causationId: causationid }),
    ...(traceparent === undefined ? {} : { traceParent: traceparent }),
    ...(masked === undefined ? {} : { secretRef: { name: '', key: '', field: masked } }),
  };
  const { namespace, name, uid } = object;
  return envelope(entry, { metadata: { name, uid, ...(namespace === undefined ? {} : { namespace }), resourceVersion: '', creationTimestamp: '' } }, { plural, kind: object.kind }, base, null);
}

export interface ReplayOptions {
  readonly sink: Sink;
  /** Events a second at most. */
  readonly rate: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told after each event that the sink took. */
  readonly sent?: (record: EmittedRecordOf, count: number) => void;
}

/** The sink refuses an event, or does not take it for too long; what was sent before stays sent. */
export class ReplayError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ReplayError';
  }
}

const TRIES = 8;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;

/**
 * Sends one by one, in the order given, so that each object's events arrive in order.
 * @returns how many were sent
 * @throws ReplayError naming the event at which it stopped; a second replay from there is harmless, ids are the same
 */
export async function replay(records: AsyncIterable<EmittedRecordOf>, { sink, rate, clock, signal, sent }: ReplayOptions): Promise<number> {
  let count = 0;
  let due = clock.monotonic();
  for await (const record of records) {
    await clock.sleep(Math.max(0, due - clock.monotonic()), signal);
    due = Math.max(due, clock.monotonic()) + 1000 / rate;
    await sendOne(eventOfRecord(record), { sink, clock, signal });
    sent?.(record, ++count);
  }
  return count;
}

async function sendOne(event: CloudEvent, { sink, clock, signal }: Pick<ReplayOptions, 'sink' | 'clock' | 'signal'>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const delivery = await sink.send(event, signal);
    if (delivery.outcome === 'accepted') return;
    if (delivery.outcome === 'refused' || tries >= TRIES) throw new ReplayError(`${sink.name} did not take ${event.type} ${event.id} of ${event.subject ?? event.source} (${event.time ?? ''}): ${delivery.reason}`);
    await clock.sleep(Math.max(delivery.retryAfterMs ?? 0, Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** (tries - 1))), signal);
  }
}
