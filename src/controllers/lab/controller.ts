/**
 * The pass over one Lab that nobody has claimed ("one hand on a lab", contract §1.3): kept, wiped, or removed from its
 * host. The rules are in src/core/lab-lifecycle.ts. Of a claimed Lab it only asks whether the claim still holds.
 */
import { ANNOTATIONS, FINALIZER } from '../../api/group.ts';
import { LABS } from '../../api/kinds.ts';
import { isDeleting } from '../../api/meta.ts';
import { claimLapsed, decideLab, isGhost } from '../../core/lab-lifecycle.ts';
import { fromTime, plus } from '../../core/time.ts';
import { ExternalError } from '../../clients/errors.ts';
import { NotFoundError } from '../../kube/errors.ts';
import { Controller } from '../../runtime/controller.ts';
import { removeFinalizer } from '../../runtime/finalizers.ts';
import { RetryableError, after, done } from '../../runtime/result.ts';
import { effectSignal } from '../deps.ts';
import { MissingSecretError } from '../secrets.ts';
import { unclaim } from '../session/release.ts';
import { cmlOf } from '../worker/cml.ts';
import { claimOf, gather } from './gather.ts';
import { deletionWaits, leftBehind, released, removalDelayed, removed } from './notices.ts';
import { importWarm } from './import-warm.ts';
import { findLab, removeByIdOrTitle, stopLab } from './remove.ts';
import { writeLabState as write } from './state.ts';
import { labSources } from './sources.ts';
import type { Lab } from '../../api/lab.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { Deps } from '../deps.ts';

export function labController(deps: Deps): Controller {
  return new Controller({
    name: 'lab', sources: labSources(deps), clock: deps.clock, log: deps.log, metrics: deps.metrics,
    reconcile: (key, pass) => reconcile(deps, key, pass),
  });
}

async function reconcile(deps: Deps, key: string, pass: PassContext): Promise<Outcome> {
  const lab = deps.caches.labs.get(key);
  if (!lab || lab.metadata.annotations?.[ANNOTATIONS.paused] !== undefined) return done();
  if (lab.spec.sessionRef) return checkClaim(deps, lab, pass);
  const now = deps.clock.now();
  const decision = decideLab(lab, gather(deps, lab), now);
  switch (decision.do) {
    case 'keep':
      return decision.until ? after(decision.until.getTime() - now.getTime(), 'the time that labs are kept') : done();
    case 'drop':
      if (lab.status?.cmlLabId !== undefined && !isGhost(lab)) nameLeft(deps, lab, decision.why);
      return drop(deps, lab, decision.why, pass);
    case 'wipe':
      return onHost(deps, lab, pass, (cml) => wipe(deps, lab, cml, pass));
    case 'remove':
      return onHost(deps, lab, pass, (cml) => remove(deps, lab, cml, decision.why, pass));
    case 'import':
      return importWarm(deps, lab, pass);
  }
}

/** A claim whose session is gone, over or bound to another Lab is cleared. What may stand on the host is removed from then on. */
async function checkClaim(deps: Deps, lab: Lab, pass: PassContext): Promise<Outcome> {
  const claim = await claimOf(deps, lab, pass.signal);
  const lapsed = claim && claimLapsed(lab, claim);
  if (!lapsed) {
    if (isDeleting(lab)) deps.events.record(deletionWaits(lab));
    return done();
  }
  pass.log.warn({ lab: lab.metadata.name, why: lapsed }, 'a claim on a Lab has lapsed');
  const orphaned = await write(deps, lab, 'Orphaned', pass, lapsed);
  if (!isGhost(lab)) deps.metrics.leftBehind.inc({ what: 'lab' });
  deps.events.record(released(lab, lapsed));
  await unclaim(deps, orphaned, pass.signal);
  return after(0, 'the lab is free');
}

/** With the CML of the worker; whatever CML does is told and tried again: for as long as it takes, or until the time of a deletion is over. */
async function onHost(deps: Deps, lab: Lab, pass: PassContext, act: (cml: CmlPort) => Promise<Outcome>): Promise<Outcome> {
  const worker = deps.caches.workers.get(lab.spec.workerName);
  const cml = worker && cmlOf(deps, worker);
  const { pollLab } = deps.settings.timeouts;
  try {
    if (!cml) throw new MissingSecretError(`Worker ${lab.spec.workerName} has no endpoint or no credentials`);
    const outcome = await act(cml);
    return outcome.kind === 'after' && outcome.ms > 0 && isOverdue(deps, lab) ? await leave(deps, lab, outcome.why, pass) : outcome;
  } catch (error) {
    if (pass.signal.aborted || !(error instanceof ExternalError || error instanceof MissingSecretError)) throw error;
    if (isOverdue(deps, lab)) return leave(deps, lab, error.message, pass);
    deps.events.record(removalDelayed(lab, error.message));
    // Asked again in time to keep the limit of the deletion.
    if (isDeleting(lab)) return after(deps.settings.timeouts.resync, error.message);
    throw new RetryableError(error.message, { cause: error, retryAfterMs: pollLab });
  }
}

/** A deleted Lab goes within the limit of a deletion; the orphan sweep knows its lab by the title. */
function isOverdue({ clock, settings }: Deps, lab: Lab): boolean {
  const deletedAt = fromTime(lab.metadata.deletionTimestamp);
  return deletedAt !== undefined && plus(deletedAt, settings.timeouts.deletion) <= clock.now();
}

async function leave(deps: Deps, lab: Lab, why: string, pass: PassContext): Promise<Outcome> {
  nameLeft(deps, lab, why);
  return drop(deps, lab, why, pass);
}

function nameLeft(deps: Deps, lab: Lab, why: string): void {
  deps.metrics.leftBehind.inc({ what: 'lab' });
  deps.events.record(leftBehind(lab, why));
}

async function wipe(deps: Deps, lab: Lab, cml: CmlPort, pass: PassContext): Promise<Outcome> {
  const labId = lab.status?.cmlLabId;
  const wiping = await write(deps, lab, 'Wiping', pass);
  if (labId === undefined) return remove(deps, wiping, cml, 'Its id on the host is not known.', pass);
  const call = () => ({ signal: effectSignal(deps, pass.signal) });
  if (!(await stopLab(cml, labId, call()))) return after(deps.settings.timeouts.pollLab, 'the lab is stopping');
  const found = await findLab(cml, labId, call());
  if (!found) return drop(deps, wiping, 'The lab is gone from its host.', pass);
  if (found.state !== 'DEFINED_ON_CORE') await cml.wipeLab(labId, call());
  await write(deps, wiping, 'Wiped', pass);
  return after(0, 'the lab is wiped');
}

/** Takes the lab off its host, then lets the object go. The state is written first: from then on nobody can claim it. */
async function remove(deps: Deps, lab: Lab, cml: CmlPort, why: string, pass: PassContext): Promise<Outcome> {
  const deleting = lab.status?.state === 'Orphaned' ? lab : await write(deps, lab, 'Deleting', pass, why);
  const removal = await removeByIdOrTitle(cml, { id: lab.status?.cmlLabId, title: lab.spec.title }, { signal: effectSignal(deps, pass.signal) });
  if (removal === 'stopping') return after(deps.settings.timeouts.pollLab, 'the lab is stopping');
  deps.events.record(removed(deleting, why));
  return drop(deps, deleting, why, pass);
}

/** Nothing is left outside: the finalizer goes, and the object. */
async function drop(deps: Deps, lab: Lab, why: string, pass: PassContext): Promise<Outcome> {
  const { client } = deps;
  const { name, uid } = lab.metadata;
  pass.log.info({ lab: name, uid, worker: lab.spec.workerName, why }, 'the Lab goes');
  if (!isDeleting(lab)) {
    try {
      // First the deletion, on the version that was decided on: a claim that came in between wins.
      await client.delete(LABS, name, undefined, { preconditions: { uid, resourceVersion: lab.metadata.resourceVersion }, signal: pass.signal });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
  await removeFinalizer({ client, resource: LABS, object: lab, finalizer: FINALIZER, signal: pass.signal });
  return done();
}
