/** What `kubectl describe` tells of a definition: one constructor for each Kubernetes Event. */
import { firstNames } from '../../core/first-names.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { EventNote } from '../../runtime/event-series.ts';

export const versionActive = (definition: LabletDefinition, version: string): EventNote => ({
  regarding: definition, type: 'Normal', reason: 'VersionActive', action: 'Sync', note: `Version ${version} is stored; new sessions get it.`,
});

export const syncFailed = (definition: LabletDefinition, reason: string, message: string): EventNote => ({
  regarding: definition, type: 'Warning', reason, action: 'Sync', note: message,
});

/** The deletion waits; `sessions` are `namespace/name`. */
export const deletionWaits = (definition: LabletDefinition, sessions: readonly string[]): EventNote => ({
  regarding: definition, type: 'Warning', reason: 'DeletionWaits', action: 'Delete', key: 'sessions',
  note: `${sessions.length} live session(s) use it: ${firstNames(sessions.toSorted())}. End or delete them, and the definition goes.`,
});
