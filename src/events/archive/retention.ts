/** Removes what has been kept for long enough: whole days of segments, on the leader. */
import { dayOf } from './store.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Runnable, Term } from '../../runtime/runnable.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { ArchiveStore, Stream } from './store.ts';

const STREAMS: readonly Stream[] = ['records', 'rejected'];
const LOOK_MS = 6 * 3_600_000;

export interface RetentionDeps {
  readonly store: ArchiveStore;
  /** How long records are kept, in milliseconds; 0: for ever. */
  readonly keepMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Looks at once and then every six hours. */
export function archiveRetention(deps: RetentionDeps): Runnable {
  return {
    name: 'archive-retention',
    async run({ closing, ended }: Term): Promise<void> {
      while (!closing.aborted) {
        if (deps.keepMs > 0) await removeOld(deps, ended).catch((error: unknown) => deps.log.warn({ archive: deps.store.name, error }, 'old records could not be removed; tried again later'));
        await deps.clock.sleep(LOOK_MS, closing).catch(() => undefined);
      }
    },
  };
}

/**
 * Removes the segments of all days that ended more than `keepMs` ago.
 * @returns how many
 */
export async function removeOld({ store, keepMs, clock, log }: RetentionDeps, signal: AbortSignal): Promise<number> {
  const firstKept = dayOf(new Date(clock.now().getTime() - keepMs));
  let removed = 0;
  for (const stream of STREAMS) {
    const old: string[] = [];
    for await (const name of store.list(stream, '', signal)) {
      if (name.slice(0, 10) >= firstKept) break;
      old.push(name);
    }
    for (const name of old) await store.remove(stream, name, signal);
    removed += old.length;
  }
  if (removed > 0) log.info({ archive: store.name, segments: removed, before: firstKept }, 'old segments of the archive removed');
  return removed;
}
