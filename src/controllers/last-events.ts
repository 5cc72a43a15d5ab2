/** The last events of an object that is going away: delivered first, given up when their time is over. */
import { objectKey } from '../api/meta.ts';
import { isForSinks } from '../api/outbox.ts';
import { plus } from '../core/time.ts';
import { after } from '../runtime/result.ts';
import type { KubeObject } from '../api/meta.ts';
import type { OutboxEntry } from '../api/outbox.ts';
import type { OutboxDraft } from '../core/outbox.ts';
import type { Outcome } from '../runtime/result.ts';
import type { PassContext } from '../runtime/pass.ts';
import type { Deps } from './deps.ts';

/**
 * @param since when the object was torn down; its events have `deletionTimeout` from then on
 * @returns how long to wait; undefined: its finalizer may go, what could not be delivered went to the dead-letter sink or is counted
 */
export async function lastEvents(deps: Pick<Deps, 'clock' | 'outbox' | 'settings'>, object: KubeObject & { status?: OutboxDraft | undefined }, since: Date | undefined, pass: PassContext): Promise<Outcome | undefined> {
  if (deps.outbox.isDrained(object)) return undefined;
  const now = deps.clock.now();
  const left = plus(since ?? now, deps.settings.timeouts.deletion).getTime() - now.getTime();
  const waiting = object.status?.outbox?.length ?? 0;
  // The acknowledgement is a write, and wakes the object; the wait is for a sink that is away.
  if (left > 0) return after(left, `${waiting} event(s) are not delivered yet`);
  pass.log.warn({ object: `${object.kind} ${objectKey(object)}`, uid: object.metadata.uid, events: waiting }, 'the time of its last events is over; the object goes without them');
  await deps.outbox.abandon(object, pass.signal);
  return undefined;
}

/** Counts what a full outbox lost: events that a sink still waited for, and records that only the archive did. */
export function countDropped(metrics: Deps['metrics'], dropped: readonly OutboxEntry[]): void {
  const events = dropped.filter(isForSinks).length;
  const records = dropped.filter(({ chain }) => chain !== undefined).length;
  if (events > 0) metrics.eventsOut.inc({ type: 'any', result: 'pushed_out', sink: 'all' }, events);
  if (records > 0) metrics.archiveRecords.inc({ result: 'dropped' }, records);
}
