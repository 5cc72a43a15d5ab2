/** Taking a lab off its CML host. Every part asks first whether it is already done, so that it may be repeated at any time. */
import { isNotFound } from '../../clients/errors.ts';
import type { CallOptions } from '../../clients/call.ts';
import type { CmlLab, CmlPort } from '../../clients/cml/port.ts';

/** gone: nothing of the lab is on the host. stopping: CML is still stopping it, ask again later. */
export type Removal = 'gone' | 'stopping';

/** The lab on the host; undefined if there is none any more. */
export async function findLab(cml: CmlPort, labId: string, call: CallOptions): Promise<CmlLab | undefined> {
  try {
    return await cml.lab(labId, call);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Asks CML to stop a lab that is started. True once it is stopped (or gone). */
export async function stopLab(cml: CmlPort, labId: string, call: CallOptions): Promise<boolean> {
  const lab = await findLab(cml, labId, call);
  if (lab?.state !== 'STARTED') return true;
  await cml.stopLab(labId, call);
  const after = await findLab(cml, labId, call);
  return after?.state !== 'STARTED';
}

/** Stops, wipes and deletes a lab. */
export async function removeLab(cml: CmlPort, labId: string, call: CallOptions): Promise<Removal> {
  if (!(await stopLab(cml, labId, call))) return 'stopping';
  const lab = await findLab(cml, labId, call);
  if (!lab) return 'gone';
  try {
    if (lab.state !== 'DEFINED_ON_CORE') await cml.wipeLab(labId, call);
    await cml.deleteLab(labId, call);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return 'gone';
}

/** Removes a lab known by id, or, where the id was never stored (a crash after the import), every lab of ours with its title. */
export async function removeByIdOrTitle(cml: CmlPort, lab: { id: string | undefined; title: string }, call: CallOptions): Promise<Removal> {
  const ids = lab.id === undefined ? (await cml.findLabsByTitle(lab.title, call)).map(({ id }) => id) : [lab.id];
  let removal: Removal = 'gone';
  for (const id of ids) if ((await removeLab(cml, id, call)) === 'stopping') removal = 'stopping';
  return removal;
}
