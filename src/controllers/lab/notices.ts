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

export const imported = (lab: Lab): EventNote => ({ regarding: lab, type: 'Normal', reason: 'Imported', action: 'Import', note: `The lab stands on worker ${lab.spec.workerName}, for a session to come.` });

export const importDelayed = (lab: Lab, message: string): EventNote => ({
  regarding: lab, type: 'Warning', reason: 'ImportDelayed', action: 'Import', key: 'import', note: `The lab is not on its host yet: ${message}`,
});

export const importFailed = (lab: Lab, message: string): EventNote => ({
  regarding: lab, type: 'Warning', reason: 'ImportFailed', action: 'Import', key: 'import', note: `The warm lab cannot be imported and is given up; another is tried in a while: ${message}`,
});
