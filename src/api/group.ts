/** Names that the API server, kubectl users and every part of the controller share. */

export const GROUP = 'lablet.dev';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;
/** Category on every kind: `kubectl get lablet -A` lists them all. */
export const CATEGORY = 'lablet';

/** Set before the first effect for an object, removed after the last (docs/architecture.md: finalizers are separate writes). */
export const FINALIZER = `${GROUP}/controller`;

/** Acts of people on an object (contract §2.1 "Acts of people"); the kubectl plugin sets them. */
export const ANNOTATIONS = {
  /** Start a Ready session without LDS (T9). */
  start: `${GROUP}/start`,
  /** Ask for grading again, in Grading or Hold only; the value is a counter. */
  regrade: `${GROUP}/regrade`,
  /** Let a session that holds after a failed grading go on to Stopping (T16). */
  releaseHold: `${GROUP}/release-hold`,
  /** End at once, whatever is left outside (T21; on a Worker: skip the drain). */
  forceTerminate: `${GROUP}/force-terminate`,
  /** No effects and no deadlines for this object; ingest still stores. */
  paused: `${GROUP}/paused`,
  /** On a Worker: the auto-scaler never drains it. */
  keepRunning: `${GROUP}/scale-down-disabled`,
  /** The uid under which we first saw this object; differs after a restore from a backup. */
  seenUid: `${GROUP}/seen-uid`,
  /** On the CRD of Workers: the namespace of the one installation that acts in this cluster. */
  installation: `${GROUP}/installation`,
} as const;

/** Labels on the objects that we create. */
export const LABELS = {
  definition: `${GROUP}/definition`,
  version: `${GROUP}/definition-version`,
  session: `${GROUP}/session`,
  sessionUid: `${GROUP}/session-uid`,
  worker: `${GROUP}/worker`,
  template: `${GROUP}/template`,
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

/** Value of `app.kubernetes.io/managed-by`, of field managers and of Event reporters. */
export const MANAGER = 'lablet-controller';
