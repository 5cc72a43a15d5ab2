/** What `kubectl describe` tells of a Lab: one constructor for each Kubernetes Event. */
import type { Lab } from '../../api/lab.ts';
import type { EventNote } from '../../runtime/event-series.ts';

export const removed = (lab: Lab, why: string): EventNote => ({ regarding: lab, type: 'Normal', reason: 'Removed', action: 'Remove', note: why });

export const removalDelayed = (lab: Lab, message: string): EventNote => ({
  regarding: lab, type: 'Warning', reason: 'RemovalDelayed', action: 'Remove', key: 'removal', note: `The lab is not off its host yet, its ports stay taken: ${message}`,
});

export const released = (lab: Lab, why: string): EventNote => ({ regarding: lab, type: 'Warning', reason: 'Released', action: 'Release', note: why });
