/** One look at a CML host: is it up, does it let us in, what does it have. Never throws for what the host does. */
import { ExternalError } from '../../clients/errors.ts';
import { MissingSecretError } from '../secrets.ts';
import { boundSessions } from './snapshot.ts';
import { cmlOf } from './cml.ts';
import { INDEX } from '../deps.ts';
import type { Worker } from '../../api/worker.ts';
import type { CallOptions } from '../../clients/call.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { Offer } from '../../core/worker-capacity.ts';
import type { Probe } from '../../core/worker-world.ts';
import type { Deps } from '../deps.ts';
import type { ForeignLabWatch } from './foreign.ts';

export async function probe(deps: Deps, worker: Worker, offer: Offer, foreign: ForeignLabWatch, signal: AbortSignal): Promise<Probe> {
  const cml = cmlOf(deps, worker);
  if (!cml) {
    return { state: 'unconfigured', reason: 'NoCredentials', message: `Neither WorkerTemplate ${worker.spec.templateName} nor spec.overrides names cmlCredentialsSecretRef, a Secret in namespace ${deps.settings.namespace} with username and password of CML.` };
  }
  try {
    return await ask(deps, cml, worker, offer, foreign, signal);
  } catch (error) {
    if (error instanceof MissingSecretError) return { state: 'unconfigured', reason: 'CredentialsMissing', message: `${error.message}.` };
    if (!(error instanceof ExternalError)) throw error;
    if (error.kind === 'unauthorized') return { state: 'notReady', reason: 'LoginRefused', message: `${error.message}. Correct username and password in the Secret of cmlCredentialsSecretRef.` };
    if (error.kind === 'badResponse' || error.kind === 'badRequest' || error.kind === 'notFound') {
      return { state: 'notReady', reason: 'UnexpectedAnswer', message: `${error.message}. Check that ${worker.spec.endpoint === undefined ? 'the endpoint of its WorkerTemplate leads to' : 'spec.endpoint is the URL of'} a CML host.` };
    }
    return { state: 'unreachable', message: `${error.message}.` };
  }
}

async function ask(deps: Deps, cml: CmlPort, worker: Worker, offer: Offer, foreign: ForeignLabWatch, signal: AbortSignal): Promise<Probe> {
  const call = { signal };
  const { version, ready } = await cml.systemInformation(call);
  if (!ready) return { state: 'notReady', reason: 'Booting', message: `CML ${version} is starting.`, version };
  // The first of these needs a login, so it proves that the credentials are accepted.
  const license = await cml.licensing(call);
  const own = deps.caches.labs.byIndex(INDEX.labsByWorker, worker.metadata.name);
  const [health, definitions, others] = await Promise.all([
    cml.health(call), cml.nodeDefinitions(call), foreign.look(cml, own, { clusterId: deps.settings.clusterId, range: offer.ports }, call),
  ]);
  return {
    state: 'ready', version,
    license: { registration: license.registration, authorization: license.authorization, product: license.product },
    nodeDefinitions: definitions.map(({ id }) => id),
    nestedVirtualization: health.computes.length > 0 && health.computes.every(({ virtualization }) => virtualization),
    ...others,
    lastActivity: boundSessions(deps, worker.metadata.name).length > 0 ? undefined : await lastActivity(cml, call),
  };
}

/** What says that somebody uses a host, sessions of ours or not (contract §5). */
const ACTIVITY = new Set(['start_lab', 'stop_lab', 'import_lab', 'start_node', 'stop_node', 'boot_node', 'queue_node', 'wipe_node', 'user_activity']);

/** When the host was last used, by its own telemetry; a host that does not tell is not less ready for that. */
async function lastActivity(cml: CmlPort, call: CallOptions): Promise<Date | undefined> {
  try {
    const times = (await cml.telemetryEvents(call)).filter(({ category }) => ACTIVITY.has(category)).map(({ timestamp }) => Date.parse(timestamp));
    const newest = Math.max(...times.filter((time) => !Number.isNaN(time)));
    return Number.isFinite(newest) ? new Date(newest) : undefined;
  } catch (error) {
    if (!(error instanceof ExternalError)) throw error;
    return undefined;
  }
}
