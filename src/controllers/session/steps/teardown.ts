/** Pipeline `teardown`: the lab is stopped, then LDS released and the lab wiped and kept, or removed. */
import { LABS } from '../../../api/kinds.ts';
import { FINALIZER } from '../../../api/group.ts';
import { ExternalError, isNotFound } from '../../../clients/errors.ts';
import { fromTime, plus } from '../../../core/time.ts';
import { NotFoundError } from '../../../kube/errors.ts';
import { removeFinalizer } from '../../../runtime/finalizers.ts';
import { findLab, removeByIdOrTitle, stopLab as stopOnHost } from '../../lab/remove.ts';
import { closeRun, writeLab } from './lab-status.ts';
import { captureConfigs } from './collect.ts';
import { stepDone, stepSkipped, stepWait } from './step.ts';
import type { Step, StepContext } from './step.ts';

/** Is there anything of the session on a host? */
const standsOnHost = (context: StepContext): boolean => context.status.labName !== undefined && context.world.worker?.state !== 'lost' && context.world.lab?.state !== 'gone';

/** The configurations are read before the lab is stopped, unless the definition does not want it or they were collected already. */
async function extractFirst(context: StepContext, labId: string): Promise<void> {
  // The last step of a collection gives the grading session its id: one that was cancelled or failed before has none.
  const collected = context.status.gradingSession?.gradingSessionId !== undefined;
  if (!context.frozen.definition.spec.extractOnStop || context.status.cmlLabId === undefined || collected) return;
  const lab = await findLab(context.cml(), labId, context.call());
  if (lab?.state === 'STARTED') await captureConfigs(context);
}

/**
 * A host that is away, or has just come back, is asked again for the candidate's work before anything is stopped: for
 * half of the teardown limit, so that a node that never answers does not keep the lab running until the limit itself.
 */
function mayYetBeRead(context: StepContext, error: unknown): boolean {
  const began = fromTime(context.status.pipeline?.firstStartedAt);
  const until = began && plus(began, context.deps.settings.timeouts.teardown / 2);
  return error instanceof ExternalError && error.retryable && until !== undefined && context.deps.clock.now() < until;
}

export const stopLab: Step = async (context) => {
  if (!standsOnHost(context)) return stepSkipped('nothing stands on a host');
  const labId = context.lab().status?.cmlLabId;
  // Without an id a crash may have come after the import: such a lab was never started, the removal finds it by its title.
  if (labId === undefined) return stepSkipped('the lab was never started');
  try {
    await extractFirst(context, labId);
  } catch (error) {
    if (mayYetBeRead(context, error)) throw error;
    if (!isNotFound(error)) context.log.warn({ error }, 'the configurations could not be read before the stop');
  }
  if (!(await stopOnHost(context.cml(), labId, context.call()))) return stepWait(context.deps.settings.timeouts.pollLab, 'the lab is stopping');
  const { session, deps } = context;
  await writeLab(context, 'Stopped', (draft) => closeRun(draft, session.metadata.uid, deps.clock.now(), context.status.reason ?? 'Stopped'));
  return stepDone();
};

/** A lab that may be used again is wiped and given back; any other is removed from the host, and its object after it. */
export const wipeOrDeleteLab: Step = async (context) => {
  if (!standsOnHost(context)) return stepSkipped('nothing stands on a host');
  return keepsLab(context) ? wipeAndRelease(context) : removeAll(context);
};

/** Kept: reuse is wanted, the lab is sound, and it was not made for a session that never got it ready. */
function keepsLab(context: StepContext): boolean {
  const failedFresh = context.status.readyAt === undefined && context.status.labOrigin === 'Created';
  return context.frozen.definition.spec.labReuse && context.lab().status?.cmlLabId !== undefined && !failedFresh && context.lab().metadata.deletionTimestamp === undefined;
}

async function wipeAndRelease(context: StepContext) {
  const cml = context.cml();
  const labId = context.lab().status?.cmlLabId ?? '';
  const onHost = await findLab(cml, labId, context.call());
  if (!onHost) return removeAll(context);
  if (onHost.state === 'STARTED') return stepWait(context.deps.settings.timeouts.pollLab, 'the lab is stopping');
  if (onHost.state !== 'DEFINED_ON_CORE') await cml.wipeLab(labId, context.call());
  await writeLab(context, 'Wiped');
  const lab = context.lab();
  const { name, resourceVersion } = lab.metadata;
  const released = await context.deps.client.mergePatch(LABS, name, undefined, { metadata: { resourceVersion }, spec: { sessionRef: null } }, context.call());
  context.deps.caches.labs.observe(released);
  return stepDone('kept');
}

async function removeAll(context: StepContext) {
  const { deps } = context;
  const lab = context.lab();
  const removal = await removeByIdOrTitle(context.cml(), { id: lab.status?.cmlLabId, title: lab.spec.title }, context.call());
  if (removal === 'stopping') return stepWait(deps.settings.timeouts.pollLab, 'the lab is stopping');
  // The host is clean: our hold goes first, so that the deletion is not left waiting for another pass.
  const freed = await removeFinalizer({ client: deps.client, resource: LABS, object: lab, finalizer: FINALIZER, signal: context.call().signal });
  if (freed && freed.metadata.deletionTimestamp === undefined) {
    try {
      await deps.client.delete(LABS, lab.metadata.name, undefined, { preconditions: { uid: lab.metadata.uid }, ...context.call() });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
  return stepDone('removed');
}

/** Result and evidence are final: nothing is left to be done. */
export const archive: Step = async () => stepDone();
