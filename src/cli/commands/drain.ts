/** `kubectl lablet drain WORKER`, and with --cancel back into service. */
import { LABLET_SESSIONS, WORKERS } from '../../api/kinds.ts';
import { CliError, EXIT } from '../errors.ts';
import { ifAllowed, listAll, workerNamed } from '../read.ts';
import { cancelDrain, drain, drainLines, occupants } from '../views/drain.ts';
import type { Context } from '../context.ts';

/** Who may not even see Workers needs both roles. */
const NEEDED = `Not allowed: workers belong to the whole cluster. To drain one takes the roles view and admin there; an administrator grants them with
  kubectl create clusterrolebinding NAME-view --clusterrole=lablet-view --user=YOU
  kubectl create clusterrolebinding NAME-admin --clusterrole=lablet-admin --user=YOU`;

export async function drainWorker(context: Context, name: string, { cancel = false }: { cancel?: boolean }): Promise<void> {
  const worker = await ifAllowed(workerNamed(context, name));
  if (!worker) throw new CliError(EXIT.forbidden, NEEDED);
  const { patch, done } = cancel ? cancelDrain(worker) : drain(worker);
  if (patch) await context.client.mergePatch(WORKERS, name, undefined, { ...patch, metadata: { uid: worker.metadata.uid } });
  const sessions = cancel ? undefined : await ifAllowed(listAll(context, LABLET_SESSIONS, { fieldSelector: `status.workerName=${name}` }));
  context.show({ worker: name, changed: patch !== undefined, action: done, ...(sessions ? { sessions: occupants(sessions, name) } : {}) }, drainLines);
}
