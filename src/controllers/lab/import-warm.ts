/** Putting a lab of the warm pool on its host: imported with its ports, checked, and left there for the session that will claim it (contract §6). */
import { portMap } from '../../core/ports.ts';
import { verifyTags } from '../../core/tags.ts';
import { parseTopology } from '../../core/topology/parse.ts';
import { rewriteParsed } from '../../core/topology/rewrite.ts';
import { ExternalError } from '../../clients/errors.ts';
import { RetryableError, after, done } from '../../runtime/result.ts';
import { INDEX, effectSignal } from '../deps.ts';
import { cmlOf } from '../worker/cml.ts';
import { imported, importDelayed, importFailed } from './notices.ts';
import { writeLabState } from './state.ts';
import type { Lab } from '../../api/lab.ts';
import type { CmlPort } from '../../clients/cml/port.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { Deps } from '../deps.ts';

/**
 * The state is written first: from then on the lab may stand on the host, and is looked for by its title before it is
 * imported. What CML refuses, or gets wrong, is not tried again at once; what may pass is.
 */
export async function importWarm(deps: Deps, lab: Lab, pass: PassContext): Promise<Outcome> {
  const { namespace, name, version } = lab.spec.definitionRef;
  const definition = deps.caches.definitions.get(`${namespace}/${name}`);
  const frozen = definition && (await deps.revisions.get({ namespace, name, uid: definition.metadata.uid }, version, pass.signal));
  const worker = deps.caches.workers.get(lab.spec.workerName);
  const cml = worker && cmlOf(deps, worker);
  const { pollLab } = deps.settings.timeouts;
  if (!frozen || !cml || worker.status?.phase !== 'Running') return after(pollLab, 'its worker and its version cannot be used yet');
  const importing = await writeLabState(deps, lab, 'Importing', pass);
  const topology = rewriteParsed(frozen.topology, parseTopology(frozen.topology), portMap(lab.spec.ports), frozen.definition.spec.ports);
  try {
    const id = await importOnce(deps, lab, cml, topology.text, pass);
    const wrong = verifyTags(topology.nodes, await cml.nodes(id, { signal: effectSignal(deps, pass.signal) }));
    if (wrong.length > 0) return await failed(deps, importing, `tags on the host differ on ${wrong.map(({ node }) => node).join(', ')}`, pass);
    await writeLabState(deps, importing, 'Defined', pass, undefined, { cmlLabId: id });
  } catch (error) {
    if (pass.signal.aborted || !(error instanceof ExternalError)) throw error;
    if (error.kind === 'badRequest') return failed(deps, importing, error.message, pass);
    deps.events.record(importDelayed(lab, error.message));
    throw new RetryableError(error.message, { cause: error, retryAfterMs: pollLab });
  }
  deps.events.record(imported(lab));
  return done();
}

/** The answer to an earlier import may have been lost. */
async function importOnce(deps: Deps, lab: Lab, cml: CmlPort, topology: string, pass: PassContext): Promise<string> {
  const call = () => ({ signal: effectSignal(deps, pass.signal) });
  const except = new Set(deps.caches.labs.byIndex(INDEX.labsByWorker, lab.spec.workerName).flatMap(({ status }) => status?.cmlLabId ?? []));
  const [first, ...doubles] = await cml.findLabsByTitle(lab.spec.title, { ...call(), except });
  for (const double of doubles) if (double.state !== 'STARTED') await cml.deleteLab(double.id, call());
  return first?.id ?? (await cml.importLab(lab.spec.title, topology, call())).id;
}

async function failed(deps: Deps, lab: Lab, why: string, pass: PassContext): Promise<Outcome> {
  await writeLabState(deps, lab, 'Error', pass, why);
  deps.events.record(importFailed(lab, why));
  return after(0, 'the lab is looked at again when its time is over');
}
