/** Pipeline `collect_evidence`: what the candidate left behind is kept before anything is stopped, and the GradingEngine gets its pod. */
import { createHash } from 'node:crypto';
import { sha256Hex } from '../../../core/canonical.ts';
import { gradingPod } from '../../../core/topology/devices.ts';
import { candidateId } from '../../../core/session/world.ts';
import { workerAddress } from '../../worker/cml.ts';
import { PermanentStepError, stepDone, stepSkipped } from './step.ts';
import type { Step, StepContext } from './step.ts';

/** GradingEngine's name for the part that is graded. */
const partId = (context: StepContext): string => context.frozen.definition.spec.formQualifiedName ?? context.frozen.definition.name;

const labId = (context: StepContext): string => {
  const { cmlLabId } = context.status;
  if (cmlLabId === undefined) throw new PermanentStepError('the session has no lab on a host');
  return cmlLabId;
};

const key = (context: StepContext, name: string): string => `${context.session.metadata.uid}/collect_evidence/${name}`;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** CML reads the running configuration from every booted node; with a place for evidence the topology with them is kept there. */
export const captureConfigs: Step = async (context) => {
  const cml = context.cml();
  const id = labId(context);
  for (const node of await cml.nodes(id, context.call())) {
    if (node.state === 'BOOTED') await cml.extractConfiguration(id, node.id, context.call());
  }
  const { evidence } = context.deps;
  if (!evidence) return stepDone();
  const topology = await cml.topology(id, { ...context.call(), includeConfigurations: true });
  const stored = await evidence.put(key(context, 'topology.json'), bytes(JSON.stringify(topology.document, null, 2)), context.call());
  return stepDone(`topology.json ${stored.sha256}`);
};

const NAME_MAX = 180;

/** A label as a part of a file name: nothing in it leads elsewhere, and it fits, however a topology calls its nodes. */
function fileName(label: string): string {
  const encoded = encodeURIComponent(label.toWellFormed());
  return encoded.length <= NAME_MAX ? encoded : `${encoded.slice(0, NAME_MAX)}-${sha256Hex(label).slice(0, 8)}`;
}

/** What each console has shown. */
export const captureScreenshots: Step = async (context) => {
  const { evidence } = context.deps;
  if (!evidence) return stepSkipped('EVIDENCE_URL is not set');
  const cml = context.cml();
  const id = labId(context);
  const hash = createHash('sha256');
  for (const node of await cml.nodes(id, context.call())) {
    for (const console of node.consoles) {
      const log = await cml.consoleLog(id, node.id, console.line, context.call());
      const stored = await evidence.put(key(context, `consoles/${fileName(node.label)}-${console.line}.log`), bytes(log), context.call());
      hash.update(`${stored.sha256}\n`);
    }
  }
  return stepDone(`consoles ${hash.digest('hex')}`);
};

/** The CML interface that we use has no way to read captures. */
export const exportPcaps: Step = async () => stepSkipped('CML offers no packet captures to read');

/** The manifest of the evidence, whose digest the ScoreReport carries. */
export const packageEvidence: Step = async (context) => {
  const { evidence, events } = context.deps;
  const { session, frozen } = context;
  if (!evidence) {
    events.record({ regarding: session, type: 'Normal', reason: 'EvidenceSkipped', action: 'Collect', note: 'EVIDENCE_URL is not set: the configurations stay in the lab only until it is wiped.' });
    return stepSkipped('EVIDENCE_URL is not set');
  }
  const steps = context.status.pipeline?.steps ?? [];
  const manifest = {
    session: { namespace: session.metadata.namespace, name: session.metadata.name, uid: session.metadata.uid },
    candidate: candidateId(session),
    definition: { name: frozen.definition.name, version: frozen.definition.version, sha256: frozen.definition.sha256 },
    lab: { name: context.status.labName, cmlLabId: context.status.cmlLabId, worker: context.status.workerName },
    startedAt: context.status.startedAt,
    endedAt: context.status.endedAt,
    files: steps.flatMap((step) => (step.output === undefined ? [] : [step.output])),
  };
  const stored = await evidence.put(key(context, 'manifest.json'), bytes(JSON.stringify(manifest, null, 2)), context.call());
  context.record((draft) => { draft.evidence = { uri: stored.uri, digest: stored.sha256 }; });
  return stepDone();
};

/** GradingEngine's session, under an id of ours so that a repeated creation finds the first, with the pod of the lab. */
export const geSessionPod: Step = async (context) => {
  const { deps, session, frozen, worker } = context;
  const grading = context.status.gradingSession;
  if (!deps.settings.grading || !grading || !worker) throw new PermanentStepError('the GradingEngine is not configured; set GRADING_ENGINE_URL');
  const engine = deps.clients.grading(deps.settings.grading);
  const part = partId(context);
  const ldsSessionId = context.status.userSession?.ldsSessionId;
  const view = await engine.createSession({
    id: grading.id, candidateId: candidateId(session), parts: [part], ...(ldsSessionId ? { lds: { id: ldsSessionId, environment: 'cloud' } } : {}),
  }, context.call());
  const pod = gradingPod(session.metadata.uid, frozen.nodes, context.lab().spec.ports, workerAddress(worker));
  await engine.assignPod(view.id, part, pod, context.call());
  context.record((draft) => { if (draft.gradingSession) draft.gradingSession = { ...draft.gradingSession, gradingSessionId: view.id, partId: part, podId: pod.id }; });
  return stepDone();
};
