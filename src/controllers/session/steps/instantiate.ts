/** Pipeline `instantiate`: from a bound worker and reserved ports to a lab that has converged, with a page in LDS. */
import { isGhost } from '../../../core/lab-lifecycle.ts';
import { portMap, takenPorts } from '../../../core/ports.ts';
import { mergeTags, verifyTags } from '../../../core/tags.ts';
import { parseTopology } from '../../../core/topology/parse.ts';
import { rewriteParsed } from '../../../core/topology/rewrite.ts';
import { derivedId } from '../../../core/outbox.ts';
import { usesLds } from '../../../core/session/world.ts';
import { ExternalError } from '../../../clients/errors.ts';
import { INDEX } from '../../deps.ts';
import { findLab } from '../../lab/remove.ts';
import { openRun, writeLab } from './lab-status.ts';
import { markGhost, replaceGhost } from './replace-lab.ts';
import { PermanentStepError, stepDone, stepSkipped, stepWait } from './step.ts';
import type { CmlNode } from '../../../clients/cml/port.ts';
import type { DeviceNode } from '../../../core/topology/devices.ts';
import type { Topology } from '../../../core/topology/parse.ts';
import type { FrozenDefinition } from '../../../core/frozen-definition.ts';
import type { Step, StepContext } from './step.ts';

/** Reading a topology takes many times as long as filling its ports in, and a frozen version never changes. */
const parsed = new WeakMap<FrozenDefinition, Topology>();

/** The topology of the session with its ports filled in, and its nodes as they are to stand on the host. */
function topologyFor({ frozen, lab }: StepContext): ReturnType<typeof rewriteParsed> {
  const topology = parsed.get(frozen) ?? parseTopology(frozen.topology);
  parsed.set(frozen, topology);
  return rewriteParsed(frozen.topology, topology, portMap(lab().spec.ports), frozen.definition.spec.ports);
}

/** Contents that LDS was asked to refresh by this process: once for each version is enough. */
const synced = new Set<string>();

/** LDS reads the content of a new version anew. */
export const contentSync: Step = async (context) => {
  const { deps, frozen } = context;
  const name = frozen.definition.spec.formQualifiedName;
  if (!usesLds(context.world) || name === undefined || !deps.settings.lds) return stepSkipped('no content in LDS');
  const key = `${frozen.definition.uid}/${frozen.definition.version}`;
  if (synced.has(key)) return stepDone();
  await deps.clients.lds(deps.settings.lds).refreshContent(name, context.call());
  synced.add(key);
  return stepDone();
};

/** The bound Lab is ours, and what it says of the host is true: one that is gone from the host is replaced, by the next free one or a new one. */
export const labResolve: Step = async (context) => {
  for (;;) {
    const lab = context.lab();
    if (!isGhost(lab)) {
      const { cmlLabId } = lab.status ?? {};
      if (cmlLabId === undefined) return stepDone('import');
      if (await findLab(context.cml(), cmlLabId, context.call())) return stepDone('reuse');
      await markGhost(context);
    }
    await replaceGhost(context);
  }
};

/** The Lab has a port for everything that the topology opens, and shares none with another lab of the host. */
export const portsVerify: Step = async (context) => {
  const lab = context.lab();
  const own = lab.spec.ports;
  const missing = context.frozen.definition.ports.filter((template) => !own.some((port) => port.name === template.name));
  if (missing.length > 0) throw new PermanentStepError(`Lab ${lab.metadata.name} has no port for ${missing.map((port) => port.name).join(', ')}`);
  const others = context.deps.caches.labs.byIndex(INDEX.labsByWorker, lab.spec.workerName).filter((other) => other.metadata.uid !== lab.metadata.uid && !isGhost(other));
  const taken = takenPorts(others.map((other) => other.spec), context.worker?.status?.foreignPorts);
  const clash = own.find((port) => taken.has(port.number));
  if (clash) throw new PermanentStepError(`port ${clash.number} of Lab ${lab.metadata.name} is used by another lab on ${lab.spec.workerName}`);
  return stepDone();
};

/** The lab stands on the host once, under its title, with the tags that open its ports. */
export const labImportOrTags: Step = async (context) => {
  const lab = context.lab();
  const topology = topologyFor(context);
  const known = lab.status?.cmlLabId;
  const labId = known ?? (await importOnce(context, lab.spec.title, topology.text));
  await ensureTags(context, labId, topology.nodes, known !== undefined);
  await writeLab(context, 'Defined', (draft) => { draft.cmlLabId = labId; });
  return stepDone(labId);
};

/** Looks the title up before it imports: the answer to an earlier import may have been lost. */
async function importOnce(context: StepContext, title: string, topology: string): Promise<string> {
  const cml = context.cml();
  const known = new Set(context.deps.caches.labs.byIndex(INDEX.labsByWorker, context.lab().spec.workerName).flatMap((lab) => lab.status?.cmlLabId ?? []));
  const [first, ...doubles] = await cml.findLabsByTitle(title, { ...context.call(), except: known });
  for (const double of doubles) if (double.state !== 'STARTED') await cml.deleteLab(double.id, context.call());
  if (first) return first.id;
  try {
    return (await cml.importLab(title, topology, context.call())).id;
  } catch (error) {
    if (error instanceof ExternalError && error.kind === 'badRequest') throw new PermanentStepError(`InvalidTopology: ${error.message}`, { cause: error });
    throw error;
  }
}

/** On a fresh lab wrong tags are a failure (PATty would open wrong ports); on a kept one they are set right first. */
async function ensureTags(context: StepContext, labId: string, expected: readonly DeviceNode[], mend: boolean): Promise<void> {
  const cml = context.cml();
  const differences = (nodes: readonly CmlNode[]) => verifyTags(expected, nodes);
  let nodes = await cml.nodes(labId, context.call());
  if (mend && differences(nodes).length > 0) {
    for (const node of nodes) {
      const wanted = expected.find((candidate) => candidate.label === node.label);
      if (wanted && differences([node]).some((difference) => difference.node === node.label)) await cml.setTags(labId, node.id, mergeTags(node.tags, wanted.tags), context.call());
    }
    nodes = await cml.nodes(labId, context.call());
  }
  const wrong = differences(nodes);
  if (wrong.length > 0) throw new Error(`tags on the host differ: ${wrong.map((each) => `${each.node} lacks [${each.missing.join(' ')}], has [${each.unexpected.join(' ')}]`).join('; ')}`);
}

/** The session knows its lab. */
export const labBinding: Step = async (context) => {
  const { cmlLabId } = context.lab().status ?? {};
  if (cmlLabId === undefined) throw new Error('the lab has no id yet');
  context.record((draft) => { draft.cmlLabId = cmlLabId; });
  return stepDone();
};

/** Started, and every node has reached its final state. */
export const labStart: Step = async (context) => {
  const cml = context.cml();
  const lab = context.lab();
  const labId = lab.status?.cmlLabId;
  if (labId === undefined) throw new Error('the lab has no id yet');
  const { state } = await cml.lab(labId, context.call());
  if (state !== 'STARTED') await cml.startLab(labId, context.call());
  if (!(await cml.converged(labId, context.call()))) return stepWait(context.deps.settings.timeouts.pollLab, 'the nodes are booting');
  await writeLab(context, 'Booted', (draft) => openRun(draft, context.session.metadata.uid, context.deps.clock.now()));
  return stepDone();
};

/** A session without LDS is ready for the annotation lablet.dev/start. */
export const markReady: Step = async (context) => {
  if (context.status.userSession) return stepDone();
  const { session, frozen } = context;
  const formQualifiedName = frozen.definition.spec.formQualifiedName;
  context.record((draft) => {
    draft.userSession = { id: derivedId(session.metadata.uid, 'UserSession', (draft.reschedules ?? 0) + 1), partNum: 1, state: 'Provisioned', ...(formQualifiedName ? { formQualifiedName } : {}) };
  });
  return stepDone();
};
