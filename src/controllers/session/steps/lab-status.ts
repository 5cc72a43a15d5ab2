/** Writes of the Lab that a session has claimed: the session's pass is the only hand on it. */
import { LABS } from '../../../api/kinds.ts';
import { toTime } from '../../../core/time.ts';
import { writeStatus } from '../../../runtime/status-writer.ts';
import type { LabState, LabStatus } from '../../../api/lab.ts';
import type { StepContext } from './step.ts';

/** Moves the Lab to a state, with whatever else changed with it. No write if it is there already. */
export async function writeLab(context: Pick<StepContext, 'deps' | 'lab' | 'setLab' | 'call'>, state: LabState, change: (draft: LabStatus) => void = () => undefined): Promise<void> {
  const { deps } = context;
  const lab = context.lab();
  const next: LabStatus = structuredClone(lab.status ?? {});
  if (next.state !== state) next.since = toTime(deps.clock.now());
  next.state = state;
  change(next);
  const written = await writeStatus({ client: deps.client, resource: LABS, object: lab, next, signal: context.call().signal, metrics: deps.metrics });
  deps.caches.labs.observe(written);
  context.setLab(written);
}

const RUNS_MAX = 50;

/** Opens a run of the lab for the session. */
export function openRun(draft: LabStatus, sessionUid: string, now: Date): void {
  if (draft.runs?.some((run) => run.sessionUid === sessionUid && run.stoppedAt === undefined)) return;
  draft.runs = [...(draft.runs ?? []), { sessionUid, startedAt: toTime(now) }].slice(-RUNS_MAX);
}

/** Closes the open run of the session, with its length. */
export function closeRun(draft: LabStatus, sessionUid: string, now: Date, reason: string): void {
  draft.runs = draft.runs?.map((run) => {
    if (run.sessionUid !== sessionUid || run.stoppedAt !== undefined) return run;
    const seconds = Math.max(0, Math.round((now.getTime() - new Date(run.startedAt).getTime()) / 1000));
    return { ...run, stoppedAt: toTime(now), durationSeconds: seconds, reason };
  });
}
