/** What `kubectl describe` tells of a Lab: one constructor for each Kubernetes Event. */
import type { Lab } from '../../api/lab.ts';
import type { EventNote } from '../../runtime/event-series.ts';

export const removed = (lab: Lab, why: string): EventNote => ({ regarding: lab, type: 'Normal', reason: 'Removed', action: 'Remove', note: why });

export const removalDelayed = (lab: Lab, message: string): EventNote => ({
  regarding: lab, type: 'Warning', reason: 'RemovalDelayed', action: 'Remove', key: 'removal', note: `The lab is not off its host yet, its ports stay taken: ${message}`,
});

/** The Lab object goes though its lab may still stand on the host. */
export const leftBehind = (lab: Lab, why: string): EventNote => ({
  regarding: lab, type: 'Warning', reason: 'LeftBehind', action: 'Remove',
  note: `Lab ${lab.spec.title} may still be on the host of worker ${lab.spec.workerName}; the orphan sweep removes it once the host is in service: ${why}`,
});

/** Somebody deleted a Lab that is in use. */
export const deletionWaits = (lab: Lab): EventNote => ({
  regarding: lab, type: 'Warning', reason: 'DeletionWaits', action: 'Remove', key: 'claim',
  note: `Session ${lab.spec.sessionRef?.namespace ?? ''}/${lab.spec.sessionRef?.name ?? ''} works on it; it is removed when the session has ended. End the session, or set the annotation lablet.dev/force-terminate on it.`,
});

export const released = (lab: Lab, why: string): EventNote => ({ regarding: lab, type: 'Warning', reason: 'Released', action: 'Release', note: why });
