/**
 * The orphan sweep (contract §4.4): labs on a CML host that we made and that no Lab object names any more, since their
 * object had to go while the host was away. Ours is a lab whose title ends in our cluster's mark and whose owner is our
 * login; CML hosts are shared, so whatever lacks one of the two is counted and never touched.
 */
import { LABS } from '../../api/kinds.ts';
import { labState } from '../../api/lab.ts';
import { isOurs } from '../../core/lab-title.ts';
import { ExternalError } from '../../clients/errors.ts';
import { NotFoundError } from '../../kube/errors.ts';
import { INDEX, effectSignal } from '../deps.ts';
import { findLab, removeLab } from '../lab/remove.ts';
import { cmlOf } from './cml.ts';
import { sweepDelayed, swept } from './notices.ts';
import type { Worker } from '../../api/worker.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';
import type { ForeignLabWatch, OrphanLab } from './foreign.ts';

/**
 * Removes what the last look at the host found without an owner. Called after each good probe, hence soon after a host
 * is back; what CML is still stopping is removed by the next one. Trouble with CML is told, and never thrown.
 */
export async function sweep(deps: Deps, worker: Worker, watch: ForeignLabWatch, pass: PassContext): Promise<void> {
  const cml = cmlOf(deps, worker);
  const own = deps.caches.labs.byIndex(INDEX.labsByWorker, worker.metadata.name);
  const orphans = watch.orphans(own, deps.settings.clusterId);
  for (const orphan of cml ? orphans : []) if (cml) await removeOrphan(deps, worker, cml, orphan, pass);
}

/** Labs of a worker that should go and have not gone yet: Orphaned ones, and those that nothing names. */
export function countOrphans({ caches, settings }: Deps, worker: Worker, watch: ForeignLabWatch): number {
  const own = caches.labs.byIndex(INDEX.labsByWorker, worker.metadata.name);
  return own.filter((lab) => labState(lab) === 'Orphaned').length + watch.orphans(own, settings.clusterId).length;
}

async function removeOrphan(deps: Deps, worker: Worker, cml: CmlPort, { id, title }: OrphanLab, pass: PassContext): Promise<void> {
  if (await hasObject(deps, title, pass.signal)) return;
  try {
    const call = { signal: effectSignal(deps, pass.signal) };
    const lab = await findLab(cml, id, call);
    // Asked again: what a lab is called, and whose it is, may have changed since the look.
    if (!lab?.ownedByUs || !isOurs(lab.title, deps.settings.clusterId) || (await removeLab(cml, id, call)) === 'stopping') return;
  } catch (error) {
    if (pass.signal.aborted || !(error instanceof ExternalError)) throw error;
    deps.events.record(sweepDelayed(worker, title, error.message));
    return;
  }
  pass.log.warn({ worker: worker.metadata.name, cmlLabId: id, title }, 'a lab that no object names was removed from its host');
  deps.metrics.sweptLabs.inc();
  deps.events.record(swept(worker, title));
}

/** A Lab is named by the title of its lab. The cache may not have it yet, and what it names is not ours to sweep. */
async function hasObject({ client }: Deps, title: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.get(LABS, title, undefined, { signal });
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return false;
    throw error;
  }
}
