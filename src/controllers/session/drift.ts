/**
 * Lab drift (contract §2.1, §11): now and then the host is asked about the lab of a session that needs it. A lab that
 * somebody else stopped is started again once; a lab that is gone ends the session. What was seen is kept in the Lab's
 * state and runs, so that a restart of the controller neither forgets it nor starts the nodes twice.
 */
import { ANNOTATIONS } from '../../api/group.ts';
import { labState } from '../../api/lab.ts';
import { ExternalError } from '../../clients/errors.ts';
import { effectSignal } from '../deps.ts';
import { findLab } from '../lab/remove.ts';
import { MissingSecretError } from '../secrets.ts';
import { cmlOf } from '../worker/cml.ts';
import { closeRun, openRun, writeLab } from './steps/lab-status.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletSession, SessionPhase } from '../../api/labletsession.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';

/** Phases that cannot do without their lab; in the first two the candidate needs its nodes. */
const NEEDS_LAB: ReadonlySet<SessionPhase> = new Set(['Ready', 'Running', 'Collecting', 'Grading']);
const NEEDS_NODES: ReadonlySet<SessionPhase> = new Set(['Ready', 'Running']);

const runsOf = (lab: Lab, { metadata }: LabletSession): number => lab.status?.runs?.filter((run) => run.sessionUid === metadata.uid).length ?? 0;

/** What the Lab tells of a stop that was not ours: its first run for the session is followed by one more, started by us. */
export function stoppedBehindOurBack(session: LabletSession, lab: Lab): 'restarting' | 'again' | undefined {
  const { phase } = session.status ?? {};
  if (!phase || !NEEDS_NODES.has(phase) || labState(lab) !== 'Stopped') return undefined;
  return runsOf(lab, session) > 1 ? 'again' : 'restarting';
}

export interface LabLook {
  /** CML does not know the lab any more. */
  gone: boolean;
  /** When to look again, in milliseconds; undefined: the phase needs no lab. */
  nextMs: number | undefined;
}

/** Remembers when each lab was last looked at; a restart begins anew, which is harmless. */
export class LabWatch {
  private readonly askedAt = new Map<string, number>();

  /** Looks at the lab of a session if it is time, and mends what it may. Trouble with CML is the Worker's matter. */
  async look(deps: Deps, session: LabletSession, pass: PassContext): Promise<LabLook> {
    const { uid } = session.metadata;
    const { phase, labName } = session.status ?? {};
    const lab = labName === undefined ? undefined : deps.caches.labs.get(labName);
    const worker = lab && deps.caches.workers.get(lab.spec.workerName);
    const cml = worker && cmlOf(deps, worker);
    const paused = lab?.metadata.annotations?.[ANNOTATIONS.paused] !== undefined;
    if (!phase || !NEEDS_LAB.has(phase) || paused || !cml || lab.spec.sessionRef?.uid !== uid || lab.status?.cmlLabId === undefined) {
      this.askedAt.delete(uid);
      return { gone: false, nextMs: undefined };
    }
    const { pollLds: period, pollLab } = deps.settings.timeouts;
    const now = deps.clock.monotonic();
    const last = this.askedAt.get(uid);
    // It has just converged: the first look comes after a period.
    if (last === undefined) this.askedAt.set(uid, now);
    const dueIn = last === undefined ? period : last + (labState(lab) === 'Stopped' ? pollLab : period) - now;
    if (dueIn > 0) return { gone: false, nextMs: dueIn };
    this.askedAt.set(uid, now);
    try {
      const gone = await isGone(deps, session, lab, cml, pass);
      return { gone, nextMs: period };
    } catch (error) {
      if (pass.signal.aborted || !(error instanceof ExternalError || error instanceof MissingSecretError)) throw error;
      pass.log.warn({ lab: lab.metadata.name, reason: error.message }, 'the host could not be asked about the lab');
      return { gone: false, nextMs: period };
    }
  }
}

async function isGone(deps: Deps, session: LabletSession, lab: Lab, cml: CmlPort, pass: PassContext): Promise<boolean> {
  const call = () => ({ signal: effectSignal(deps, pass.signal) });
  const labId = lab.status?.cmlLabId ?? '';
  const onHost = await findLab(cml, labId, call());
  if (!onHost) return true;
  if (!session.status?.phase || !NEEDS_NODES.has(session.status.phase)) return false;
  let stored = lab;
  const ours = { deps, call, lab: () => stored, setLab: (next: Lab) => { stored = next; } };
  const { uid } = session.metadata;
  const now = deps.clock.now();
  const noted = labState(lab) === 'Stopped';
  if (onHost.state === 'STARTED') {
    if (noted && (await cml.converged(labId, call()))) await writeLab(ours, 'Booted', (draft) => openRun(draft, uid, now));
    return false;
  }
  pass.log.warn({ lab: lab.metadata.name, state: onHost.state }, 'the lab was stopped behind our back');
  if (!noted) await writeLab(ours, 'Stopped', (draft) => closeRun(draft, uid, now, 'LabStopped'));
  // Once: a lab that somebody stops again is meant to be stopped, and is only reported.
  if (runsOf(lab, session) <= 1) await cml.startLab(labId, call());
  return false;
}
