/** What `kubectl describe` tells of placements: one constructor for each Kubernetes Event. */
import type { LabletSession } from '../../api/labletsession.ts';
import type { EventNote } from '../../runtime/event-series.ts';

/** A host that was counted on is gone, and no other has room. */
export const capacityLost = (session: LabletSession, message: string): EventNote => ({
  regarding: session, type: 'Warning', reason: 'CapacityLost', action: 'Schedule', key: 'capacity', note: message,
});
