/** Writes of a Lab that nobody has claimed. */
import { LABS } from '../../api/kinds.ts';
import { toTime } from '../../core/time.ts';
import { writeStatus } from '../../runtime/status-writer.ts';
import type { Lab, LabState, LabStatus } from '../../api/lab.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';

/** Moves the Lab to a state. No write if it is there already. @throws ConflictError if the Lab has moved on, for instance since it was claimed */
export async function writeLabState(deps: Deps, lab: Lab, state: LabState, pass: PassContext, message?: string, more: Pick<LabStatus, 'cmlLabId'> = {}): Promise<Lab> {
  if (lab.status?.state === state) return lab;
  const next: LabStatus = { ...lab.status, ...more, state, since: toTime(deps.clock.now()) };
  if (message === undefined) Reflect.deleteProperty(next, 'message');
  else next.message = message;
  const written = await writeStatus({ client: deps.client, resource: LABS, object: lab, next, signal: pass.signal, metrics: deps.metrics });
  deps.caches.labs.observe(written);
  return written;
}
