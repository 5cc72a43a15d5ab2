/**
 * The life of a Worker (contract §2.5) as a table: an edge a line, of which the first that applies to the phase is taken.
 * No phase changes but by a row. Scaling events are not in the rows: whatever leads a machine into the phases in which
 * it is up says `worker.scaling.up`, whatever leads out of them `worker.scaling.down` (src/core/worker-lifecycle.ts), so
 * that there is one of each for every time it was up, drift and failure included.
 */
import { toTime } from './time.ts';
import { recordEvent } from './outbox.ts';
import { emitContext } from './worker-situation.ts';
import * as on from './worker-triggers.ts';
import type { WorkerPhase } from '../api/worker.ts';
import type { Because, Situation } from './worker-situation.ts';

export type WorkerRowId =
  | 'W0' | 'W1' | 'W2' | 'W3' | 'W4' | 'W5' | 'W6' | 'W7' | 'W8' | 'W9' | 'W10' | 'W11'
  | 'W12' | 'W13' | 'W14' | 'W15' | 'W16' | 'W17' | 'W18' | 'W19' | 'W20';

export interface WorkerRow {
  row: WorkerRowId;
  from: WorkerPhase | null;
  to: WorkerPhase;
  /** Trigger and guard in words, for the documentation. */
  trigger: string;
  when: (s: Situation) => Because | undefined;
  /** What it does beside the phase, in words; the outside effects are acts of the controller in the new phase. */
  does?: string;
  effect?: (s: Situation, because: Because) => void;
}

type Edge = Omit<WorkerRow, 'from'> & { from: readonly WorkerPhase[] };
const each = ({ from, ...edge }: Edge): WorkerRow[] => from.map((phase) => ({ ...edge, from: phase }));

const EDGES: readonly Edge[] = [
  // Drift comes first: what is true of the machine is true whatever is wanted. No grace.
  { row: 'W17', from: ['Provisioning', 'Starting', 'Running', 'Draining'], to: 'Stopping', trigger: 'ec2: the instance is being stopped outside', when: on.stoppingOutside, effect: endDrain },
  { row: 'W18', from: ['Provisioning', 'Starting', 'Running', 'Draining'], to: 'Stopped', trigger: 'ec2: the instance was stopped outside', when: on.stoppedOutside, effect: endDrain },
  { row: 'W19', from: ['Provisioning', 'Starting', 'Running', 'Draining', 'Stopping', 'Stopped'], to: 'Terminating', trigger: 'ec2: the instance is being terminated outside', when: on.terminatingOutside, effect: endDrain },
  { row: 'W20', from: ['Provisioning', 'Starting', 'Running', 'Draining', 'Stopping', 'Stopped'], to: 'Terminated', trigger: 'ec2: the instance is terminated, or EC2 does not know it any more', when: on.goneOutside, effect: endDrain },

  { row: 'W10', from: ['Pending', 'Provisioning', 'Starting', 'Stopped', 'Failed'], to: 'Terminating', trigger: 'desiredState Terminated, or deleted', when: on.terminates, does: 'licence given back, then the instance is terminated (ec2), or the labs are removed (static)' },
  { row: 'W10', from: ['Stopped'], to: 'Terminating', trigger: 'ec2: stopped for stoppedTtl', when: on.stoppedForLong },

  { row: 'W1', from: ['Pending'], to: 'Starting', trigger: 'static: template and endpoint known', when: on.hostKnown },
  { row: 'W12', from: ['Pending'], to: 'Provisioning', trigger: 'ec2: template enabled, image resolved, instance launched, found by its tag, or adopted', when: on.launched, does: 'instance and image noted', effect: noteInstance },
  { row: 'W13', from: ['Pending'], to: 'Failed', trigger: 'ec2: template disabled, no image, no capacity, refused; or 30 min over', when: on.launchFailed, effect: noteFailure },

  { row: 'W7', from: ['Provisioning', 'Starting'], to: 'Stopping', trigger: 'desiredState Stopped', when: on.stopsBeforeUse, does: 'the instance is stopped (ec2)' },
  { row: 'W14', from: ['Provisioning'], to: 'Starting', trigger: 'ec2: the instance runs and has an address', when: on.hasAddress },
  { row: 'W2', from: ['Starting'], to: 'Running', trigger: 'CML ready, login works, licence satisfied, version and node definitions read', when: on.ready },
  { row: 'W15', from: ['Provisioning', 'Starting'], to: 'Failed', trigger: 'ec2: not ready 30 min after launch or restart', when: on.provisioningTimeout, does: 'the instance is terminated; another worker may take its place', effect: noteFailure },

  { row: 'W3', from: ['Running'], to: 'Draining', trigger: 'desiredState Draining, Stopped or Terminated; deleted; status.drain', when: on.drains, does: 'no new placements; ccm.worker.draining', effect: beginDrain },
  { row: 'W4', from: ['Draining'], to: 'Running', trigger: 'desiredState Running and no status.drain', when: on.drainCancelled, effect: endDrain },
  { row: 'W11', from: ['Draining'], to: 'Terminating', trigger: 'desiredState Terminated or deleted, and empty or forced', when: on.terminatesEmptyOrForced, effect: endDrain },
  { row: 'W5', from: ['Draining'], to: 'Stopping', trigger: 'no session in Scheduled to Stopped, and no Lab Wiping or Deleting', when: on.drained, does: 'the instance is stopped (ec2)', effect: endDrain },

  { row: 'W6', from: ['Stopping'], to: 'Stopped', trigger: 'ec2: the instance is stopped; static: at once, the host itself is not ours to stop', when: on.stopped },
  { row: 'W8', from: ['Stopped'], to: 'Starting', trigger: 'desiredState Running, no status.drain, no session left; ec2: the instance was started, static: CML answers', when: on.resumes, does: 'lastResumedAt', effect: (s) => { s.draft.lastResumedAt = toTime(s.now); } },
  { row: 'W16', from: ['Failed'], to: 'Pending', trigger: 'the spec was changed, and nothing is left of the failed instance', when: on.triedAgain, does: 'launchGeneration + 1: the client token of a launch is never used for another', effect: forgetInstance },
  { row: 'W9', from: ['Terminating'], to: 'Terminated', trigger: 'ec2: the instance is terminated; static: licence given back and no Lab of ours left, forced, or 10 min over', when: on.cleared },
];

export const WORKER_TABLE: readonly WorkerRow[] = [
  { row: 'W0', from: null, to: 'Pending', trigger: 'created', when: on.created },
  ...EDGES.flatMap(each),
];

function beginDrain(s: Situation, because: Because): void {
  s.draft.drainStartedAt = toTime(s.now);
  if (!s.world.emit) return;
  const reason = s.draft.drain?.by === 'Autoscaler' ? s.draft.drain.reason : because.reason;
  s.dropped.push(...recordEvent(s.draft, 'ccm.worker.draining', { worker_id: s.worker.metadata.name, reason, running_sessions_count: s.world.sessions.length }, emitContext(s)));
}

function endDrain(s: Situation): void {
  for (const field of ['drainStartedAt', 'drainDoneBy'] as const) Reflect.deleteProperty(s.draft, field);
}

function noteInstance({ draft, world: { launch } }: Situation): void {
  if (launch?.state !== 'launched') return;
  const { id, imageId, imageName } = launch.instance;
  Object.assign(draft, id !== undefined && { instanceId: id }, imageId !== undefined && { imageId }, imageName !== undefined && { imageName });
}

function noteFailure(s: Situation): void {
  s.draft.failedGeneration = s.worker.metadata.generation ?? 0;
}

function forgetInstance(s: Situation): void {
  for (const field of ['instanceId', 'instanceState', 'imageId', 'imageName', 'endpoint', 'address', 'failedGeneration', 'unreachableSince'] as const) Reflect.deleteProperty(s.draft, field);
  s.draft.launchGeneration = (s.draft.launchGeneration ?? 0) + 1;
}
