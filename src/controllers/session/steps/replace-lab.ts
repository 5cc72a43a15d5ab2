/**
 * A ghost: the Lab that a session is bound to, of which CML says that there is no such lab. The session goes on with
 * another one on the same worker: the next free Lab of the same version, else a new record that takes over the ghost's
 * ports and is imported afresh (contract §3, §4.3). The ghost is Orphaned; the Lab controller is rid of it once the
 * session is bound elsewhere.
 */
import { isDeleting } from '../../../api/meta.ts';
import { setCondition } from '../../../core/conditions.ts';
import { ON_HOST, isGhost } from '../../../core/lab-lifecycle.ts';
import { portMap } from '../../../core/ports.ts';
import { definitionKey } from '../../../core/scheduling.ts';
import { ConflictError } from '../../../kube/errors.ts';
import { INDEX } from '../../deps.ts';
import { claimFree, createReserved } from '../../scheduler/claim.ts';
import { reusableLab } from '../../worker/snapshot.ts';
import { writeLab } from './lab-status.ts';
import type { Lab } from '../../../api/lab.ts';
import type { StepContext } from './step.ts';

/** CML has answered 404 for the bound Lab. */
export async function markGhost(context: StepContext): Promise<void> {
  const { deps } = context;
  const message = `The CML host does not know lab ${context.lab().status?.cmlLabId ?? ''} any more.`;
  await writeLab(context, 'Orphaned', (draft) => {
    draft.message = message;
    setCondition(draft, { type: ON_HOST, status: 'False', reason: 'NotFound', message }, deps.clock.now());
  });
  context.log.warn({ lab: context.lab().metadata.name }, 'the lab is gone from its host; another one takes its place');
  deps.events.record({ regarding: context.session, type: 'Warning', reason: 'LabReplaced', action: 'Resolve', note: `Lab ${context.lab().metadata.name} is gone from its host; another one takes its place.` });
}

/**
 * Claims another Lab in place of the ghost and binds the session to it, claim first and status then: a pass after a
 * crash in between finds the claim.
 */
export async function replaceGhost(context: StepContext): Promise<void> {
  const ghost = context.lab();
  const { lab, origin } = await another(context, ghost);
  context.record((draft) => {
    draft.labName = lab.metadata.name;
    draft.labOrigin = origin;
    draft.allocatedPorts = portMap(lab.spec.ports);
    Reflect.deleteProperty(draft, 'cmlLabId');
  });
  context.setLab(lab);
  await context.checkpoint();
}

async function another({ deps, session, frozen, call }: StepContext, ghost: Lab): Promise<{ lab: Lab; origin: 'Created' | 'Reused' }> {
  const { labs } = deps.caches;
  const claimed = labs.byIndex(INDEX.labsBySession, session.metadata.uid).find((lab) => !isGhost(lab) && !isDeleting(lab));
  if (claimed) return { lab: claimed, origin: claimed.status?.cmlLabId === undefined ? 'Created' : 'Reused' };
  const version = definitionKey(ghost.spec.definitionRef);
  const { signal } = call();
  for (const free of frozen.definition.spec.labReuse ? labs.byIndex(INDEX.labsByWorker, ghost.spec.workerName) : []) {
    if (reusableLab(deps, free)?.definition !== version) continue;
    try {
      return { lab: await claimFree(deps, session, free, signal), origin: 'Reused' };
    } catch (error) {
      // Somebody was faster: the next one.
      if (!(error instanceof ConflictError)) throw error;
    }
  }
  return { lab: await createReserved(deps, session, frozen.definition, ghost.spec, signal), origin: 'Created' };
}
