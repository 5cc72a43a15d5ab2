/** What causes the rows of a Worker's table (src/core/worker-table.ts): each answers why it applies, or undefined. */
import { ANNOTATIONS } from '../api/group.ts';
import { getCondition } from './conditions.ts';
import { formatDuration } from './duration.ts';
import { plus } from './time.ts';
import { byController, byProvider, byTimer, byUser, bootBegan, desired, due, hasSettled, ifThen, instanceIs, isAdopted, isEmpty, isForced, isMachine, isReady, since, wish } from './worker-situation.ts';
import type { WorkerStatus } from '../api/worker.ts';
import type { Because, Situation } from './worker-situation.ts';

type Trigger = (s: Situation) => Because | undefined;

export const created: Trigger = () => byUser('Created', 'Waits to be looked at.');

/** Taken out of service for good: by a person, or since it has been stopped for as long as the template allows. */
export const terminates: Trigger = (s) => ifThen(desired(s) === 'Terminated', byUser('Terminated', `It is taken out of service: ${wish(s)}.`));

export const terminatesEmptyOrForced: Trigger = (s) => (isEmpty(s) || isForced(s) ? terminates(s) : undefined);

export const stoppedForLong: Trigger = (s) => {
  const { stoppedTtl } = s.world.limits;
  if (stoppedTtl === undefined || !isMachine(s)) return undefined;
  return due(s, plus(since(s), stoppedTtl)) ? byTimer('StoppedTtl', `It has been stopped for ${formatDuration(stoppedTtl)}.`) : undefined;
};

export const hostKnown: Trigger = (s) => ifThen(!isMachine(s) && s.world.offer !== undefined, byController('HostKnown', 'Waits for its CML host.'));

export const launched: Trigger = (s) => {
  const { launch } = s.world;
  return launch?.state === 'launched' ? byController('Launched', `Instance ${launch.instance.id ?? '?'} is being started.`) : undefined;
};

/** It cannot be launched, or could not be for too long. */
export const launchFailed: Trigger = (s) => {
  const { launch, limits } = s.world;
  if (!isMachine(s) || launch === undefined) return undefined;
  if (launch.state === 'failed') return byProvider(launch.reason, launch.message);
  if (launch.state !== 'waiting') return undefined;
  return due(s, plus(since(s), limits.provisioning)) ? byTimer(launch.reason, `It could not be launched within ${formatDuration(limits.provisioning)}: ${launch.message}`) : undefined;
};

export const hasAddress: Trigger = (s) => {
  const { instance } = s.world;
  return instance?.state === 'running' && instance.address !== undefined ? byProvider('InstanceRunning', `Instance ${instance.id ?? '?'} runs at ${instance.address}; waits for its CML.`) : undefined;
};

export const ready: Trigger = (s) => ifThen(isReady(s), byController('CMLReady', 'Sessions can be placed on it.'));

/** A machine that does not become a worker in time is given up, so that another can take its place. */
export const provisioningTimeout: Trigger = (s) => {
  const { provisioning } = s.world.limits;
  if (!isMachine(s) || !due(s, plus(bootBegan(s), provisioning))) return undefined;
  return byTimer('ProvisioningTimeout', `It was not ready within ${formatDuration(provisioning)}: ${missing(s.draft)?.message ?? `its instance is ${s.world.instance?.state ?? 'not known'}.`}`);
};

export const stopsBeforeUse: Trigger = (s) => ifThen(desired(s) === 'Stopped', byUser('Stopped', `It is taken out of service: ${wish(s)}.`));

export const drains: Trigger = (s) => {
  if (desired(s) === 'Running') return undefined;
  const because = { reason: 'Draining', message: `It takes no new sessions: ${wish(s)}.` };
  return s.draft.drain?.by === 'Autoscaler' && desired(s) === 'Draining' ? { ...because, actor: 'controller' } : { ...because, actor: 'user' };
};

export const drainCancelled: Trigger = (s) => ifThen(desired(s) === 'Running', byUser('DrainCancelled', 'The drain was cancelled.'));

export const drained: Trigger = (s) => ifThen(desired(s) !== 'Running' && desired(s) !== 'Terminated' && isEmpty(s), byController('Drained', 'No session is left on it.'));

/** A static host is not ours to stop; a machine is stopped once its provider says so. */
export const stopped: Trigger = (s) => ifThen(!isMachine(s) || instanceIs(s, 'stopped'), byController('Stopped', 'It takes no sessions; set desiredState to Running to use it again.'));

/** Wanted again. Its sessions have left it: whoever was on it when it was stopped outside has lost the lab. */
export const resumes: Trigger = (s) => {
  if (desired(s) !== 'Running' || !isEmpty(s)) return undefined;
  const because = byUser('Resumed', 'It is taken into service again.');
  if (isMachine(s)) return ifThen(instanceIs(s, 'pending', 'running'), because);
  return ifThen(s.world.probe !== undefined && s.world.probe.state !== 'unreachable', because);
};

/** Its own labs are removed before a static worker goes, since the host stays; a host that does not answer is not waited for without end. */
export const cleared: Trigger = (s) => {
  if (isMachine(s)) return machineEnded(s);
  const { labs, limits, licenseReleased } = s.world;
  if (isForced(s)) return byUser('ForceTerminated', `Ended at once by the annotation ${ANNOTATIONS.forceTerminate}; ${labs} lab(s) may be left on its host.`);
  if (labs === 0 && licenseReleased) return byController('Terminated', 'Nothing of ours is left on its host.');
  return due(s, plus(since(s), limits.teardown)) ? byTimer('TeardownTimeout', `${labs} lab(s) could not be removed from its host within ${formatDuration(limits.teardown)}.`) : undefined;
};

function machineEnded(s: Situation): Because | undefined {
  if (isAdopted(s.worker)) return ifThen(s.world.licenseReleased || isForced(s), byController('LetGo', `Instance ${s.worker.spec.instanceId ?? ''} was not made by the controller and stays as it is.`));
  if (!s.world.providerKnown) return unknownMachine(s);
  return ifThen(instanceIs(s, 'terminated', 'gone'), byProvider('Terminated', 'Its instance is terminated.'));
}

/** Its template was taken away by force: nobody can ask for a machine, if there ever was one. */
function unknownMachine(s: Situation): Because | undefined {
  const { instanceId } = s.draft;
  if (instanceId === undefined) return byController('Terminated', 'It never had an instance.');
  return ifThen(isForced(s), byUser('ForceTerminated', `Ended at once by the annotation ${ANNOTATIONS.forceTerminate}; instance ${instanceId} may be left, since WorkerTemplate ${s.worker.spec.templateName} is gone.`));
}

/** A spec that was changed after the failure is a new try, once nothing of the failed one is left. */
export const triedAgain: Trigger = (s) => {
  const changed = (s.worker.metadata.generation ?? 0) > (s.draft.failedGeneration ?? 0);
  const over = isAdopted(s.worker) || instanceIs(s, 'terminated', 'gone');
  return ifThen(changed && desired(s) === 'Running' && over, byUser('TriedAgain', 'Its spec was changed after the failure.'));
};

/** Drift: what somebody else did to its machine, or what became of it. Believed at once, but for the moment after our own act. */
export const stoppingOutside: Trigger = (s) => outside(s, instanceIs(s, 'stopping'), 'InstanceStopped', 'is being stopped, and not by the controller.');
export const stoppedOutside: Trigger = (s) => outside(s, instanceIs(s, 'stopped'), 'InstanceStopped', 'was stopped, and not by the controller.');
export const terminatingOutside: Trigger = (s) => outside(s, instanceIs(s, 'shutting-down'), 'InstanceTerminated', 'is being terminated, and not by the controller.');
export const goneOutside: Trigger = (s) => outside(s, instanceIs(s, 'terminated', 'gone'), 'InstanceTerminated', 'is terminated, and not by the controller.');

function outside(s: Situation, seen: boolean, reason: string, what: string): Because | undefined {
  if (!isMachine(s) || !seen || !hasSettled(s)) return undefined;
  return byProvider(reason, `Instance ${s.draft.instanceId ?? s.world.instance?.id ?? '?'} ${what}`);
}

/** What a worker on its way to Running waits for. */
export function missing(draft: WorkerStatus): { reason: string; message: string } | undefined {
  const found = ['CMLReady', 'Licensed'].map((type) => getCondition(draft, type)).find((condition) => condition?.status === 'False');
  return found && { reason: found.reason, message: found.message ?? '' };
}
