/**
 * The audit of scaling (contract §5): each new decision is a Kubernetes Event, a log line and a count, with its reason.
 * A decision that is the same at the next look is not a new one.
 */
import { objectKey } from '../../api/meta.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Worker, WorkerPhase } from '../../api/worker.ts';
import type { Skip } from '../../core/scaling-down.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { Deps } from '../deps.ts';

/** Values of the label `decision`; a skip is `skipped_` and its reason. */
type DecisionName = 'scale_up_accepted' | 'scale_up_rejected' | 'provisioned' | 'scale_up_failed' | 'scale_down_initiated' | 'scale_down_failed' | 'drained' | `skipped_${string}`;

export interface Entry {
  decision: DecisionName;
  /** PascalCase. */
  reason: string;
  message: string;
  /** What the Event is about; undefined: no Event, the log and the count only. */
  regarding: KubeObject | undefined;
  warning?: boolean;
}

/** `NotIdle` as `skipped_not_idle`. */
export const skipped = (skip: Skip): `skipped_${string}` => `skipped_${skip.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase()}`;

export class Journal {
  private readonly deps: Pick<Deps, 'events' | 'metrics'>;
  /** What was told last, by what it is about. */
  private told = new Map<string, string>();
  private next = new Map<string, string>();
  private phases: Map<string, WorkerPhase> | undefined;

  constructor(deps: Pick<Deps, 'events' | 'metrics'>) {
    this.deps = deps;
  }

  /** Tells of what was done: always new. */
  done(entry: Entry, log: Logger): void {
    const { decision, reason, message, regarding, warning } = entry;
    this.deps.metrics.scalingDecisions.inc({ decision, reason });
    log[warning ? 'warn' : 'info']({ decision, reason, about: regarding && objectKey(regarding) }, message);
    if (regarding) this.deps.events.record({ regarding, type: warning ? 'Warning' : 'Normal', reason: eventReason(decision), action: 'Scale', note: `${reason}: ${message}`, key: `${decision}/${reason}` });
  }

  /** Tells of what is so, if it was not so at the last look. */
  standing(about: string, entry: Entry, log: Logger): void {
    const view = `${entry.decision}/${entry.reason}`;
    if (this.told.get(about) !== view) this.done(entry, log);
    this.next.set(about, view);
  }

  /** The look is over: what was not said in it is no longer so. */
  endOfLook(): void {
    this.told = this.next;
    this.next = new Map();
  }

  /** What became of earlier decisions, read off the phases of the workers. The first look after a start only takes notes. */
  follow(workers: readonly Worker[], log: Logger): void {
    const before = this.phases;
    this.phases = new Map(workers.map(({ metadata, status }) => [metadata.uid, status?.phase ?? 'Pending']));
    if (!before) return;
    for (const worker of workers) {
      const [from, to] = [before.get(worker.metadata.uid), this.phases.get(worker.metadata.uid)];
      if (from === to || worker.spec.provider === 'static') continue;
      const [reason, message] = [worker.status?.reason ?? 'Unknown', worker.status?.message ?? ''];
      const wasComing = from === undefined || from === 'Pending' || from === 'Provisioning' || from === 'Starting';
      // The Worker's own Events tell people of its phases.
      if (wasComing && to === 'Running') this.done({ decision: 'provisioned', reason: 'Ready', message: `${worker.metadata.name} takes sessions.`, regarding: undefined }, log);
      if (wasComing && to === 'Failed') this.done({ decision: 'scale_up_failed', reason, message, regarding: undefined, warning: true }, log);
      if (from === 'Draining' && (to === 'Stopping' || to === 'Stopped') && worker.status?.drain?.by === 'Autoscaler') this.done({ decision: 'drained', reason: 'Idle', message: `${worker.metadata.name} is empty and stops.`, regarding: undefined }, log);
    }
  }
}

/** `scale_up_accepted` as `ScaleUpAccepted`. */
const eventReason = (decision: string): string => (decision.startsWith('skipped_') ? 'ScaleDownSkipped' : decision.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(''));
