/** What `kubectl describe` tells of a worker: one constructor for each Kubernetes Event. */
import { firstNames } from '../../core/first-names.ts';
import type { Worker, WorkerTemplate } from '../../api/worker.ts';
import type { WorkerRowId } from '../../core/worker-lifecycle.ts';
import type { EventNote } from '../../runtime/event-series.ts';

type Told = Pick<EventNote, 'type' | 'action'>;

/** Rows that people are told of; the others speak through the status alone. */
const TOLD: Partial<Record<WorkerRowId, Told>> = {
  W2: { type: 'Normal', action: 'Start' },
  W3: { type: 'Normal', action: 'Drain' },
  W4: { type: 'Normal', action: 'Drain' },
  W6: { type: 'Normal', action: 'Stop' },
  W8: { type: 'Normal', action: 'Start' },
  W9: { type: 'Normal', action: 'Terminate' },
  W12: { type: 'Normal', action: 'Launch' },
  W13: { type: 'Warning', action: 'Launch' },
  W15: { type: 'Warning', action: 'Start' },
  W17: { type: 'Warning', action: 'Observe' },
  W18: { type: 'Warning', action: 'Observe' },
  W19: { type: 'Warning', action: 'Observe' },
  W20: { type: 'Warning', action: 'Observe' },
};

/** Events for the rows that were taken just now: the newest entries of the history. */
export function noticesFor(worker: Worker, rows: readonly WorkerRowId[]): EventNote[] {
  const entries = rows.length > 0 ? (worker.status?.history?.slice(-rows.length) ?? []) : [];
  return rows.flatMap((row, index) => {
    const told = TOLD[row];
    const entry = entries[index];
    if (!told || !entry) return [];
    const note = `${entry.from ?? 'new'} to ${entry.to}${index === rows.length - 1 ? `: ${worker.status?.message ?? ''}` : ''}`;
    return [{ regarding: worker, ...told, reason: entry.reason, note }];
  });
}

/** The host stopped answering, or does something else that keeps sessions away. */
export const unready = (worker: Worker, reason: string, message: string): EventNote => ({ regarding: worker, type: 'Warning', reason, action: 'Probe', note: message, key: reason });

/** A deleted worker waits; `sessions` are `namespace/name`. */
export const deletionWaits = (worker: Worker, sessions: readonly string[]): EventNote => ({
  regarding: worker, type: 'Warning', reason: 'DeletionWaits', action: 'Delete', key: 'sessions',
  note: `${sessions.length} session(s) are on it: ${firstNames(sessions.toSorted())}. End them, or set the annotation lablet.dev/force-terminate.`,
});

/** A drain is past its limit: what is left is being ended. */
export const drainOverdue = (worker: Worker): EventNote => ({ regarding: worker, type: 'Warning', reason: 'DrainTimeout', action: 'Drain', key: 'overdue', note: worker.status?.message ?? '' });

/** The machine could not be started, stopped or terminated yet. */
export const powerDelayed = (worker: Worker, message: string): EventNote => ({ regarding: worker, type: 'Warning', reason: 'InstanceDelayed', action: 'Switch', key: 'power', note: message });

export const doubleRemoved = (worker: Worker, id: string): EventNote => ({
  regarding: worker, type: 'Warning', reason: 'DoubleInstanceRemoved', action: 'Launch', note: `Instance ${id} carried the tag of this worker, which has another one; it was terminated.`,
});

export const licenseKept = (worker: Worker, message: string): EventNote => ({
  regarding: worker, type: 'Warning', reason: 'LicenseNotReleased', action: 'Deregister', note: `The licence could not be given back and may have to be released by hand: ${message}`,
});

export const orphanInstance = (template: WorkerTemplate, id: string, terminated: boolean): EventNote => ({
  regarding: template, type: 'Warning', reason: 'OrphanInstance', action: 'Observe',
  note: `Instance ${id} was made from this template and has no Worker. ${terminated ? 'It is terminated.' : 'Terminate it, or set ORPHAN_INSTANCE_POLICY to Terminate.'}`,
});

/** The template is kept until no worker uses it any more. */
export const templateInUse = (template: WorkerTemplate, workers: readonly string[]): EventNote => ({
  regarding: template, type: 'Warning', reason: 'DeletionWaits', action: 'Delete', key: 'workers',
  note: `${workers.length} worker(s) use it: ${firstNames(workers.toSorted())}. Delete them first.`,
});

/** The orphan sweep took a lab off the host. */
export const swept = (worker: Worker, title: string): EventNote => ({
  regarding: worker, type: 'Normal', reason: 'OrphanRemoved', action: 'Sweep', note: `Lab ${title} on its host bore our mark and no Lab object named it; it was stopped, wiped and deleted.`,
});

export const sweepDelayed = (worker: Worker, title: string, message: string): EventNote => ({
  regarding: worker, type: 'Warning', reason: 'OrphanRemovalDelayed', action: 'Sweep', key: 'sweep', note: `Lab ${title}, which no Lab object names, is still on its host: ${message}`,
});
