/** What a look at a machine and at its CML says of a Worker: address, version, licence (contract §7), and the conditions made of them. Pure. */
import { isDeleting } from '../api/meta.ts';
import { isTrue, getCondition, setCondition } from './conditions.ts';
import { fromTime, toTime } from './time.ts';
import type { Worker, WorkerStatus } from '../api/worker.ts';
import type { ConditionUpdate } from './conditions.ts';
import type { LicenseFacts, Registration, WorkerWorld } from './worker-world.ts';

/** Most nodes on a host with a personal licence; the others are limited by the template alone (contract §7). */
const PERSONAL_NODES = 20;

/** The schema's limit. */
const MAX_NODE_DEFINITIONS = 512;

/** The product in the words of `spec.licenseType` and `licenseAffinity`: CML_Personal is Personal. */
export function licenseProduct(product: string): string {
  const known = (['Personal', 'Enterprise', 'Evaluation'] as const).find((name) => product.toLowerCase().includes(name.toLowerCase()));
  return known ?? (product === '' ? 'Unknown' : product.slice(0, 64));
}

/** The licences that a definition accepts; with `superset` an Enterprise licence serves wherever a Personal one does (contract §7). */
export const acceptedLicenses = (affinity: readonly string[], superset: boolean): readonly string[] =>
  superset && affinity.includes('Personal') && !affinity.includes('Enterprise') ? [...affinity, 'Enterprise'] : affinity;

/** Puts what the provider shows of the machine into a draft status: its state always, its address while it runs. */
export function applyInstance(draft: WorkerStatus, worker: Worker, { instance }: WorkerWorld): void {
  if (!instance || (instance.state === 'gone' && draft.instanceId === undefined)) return;
  draft.instanceState = instance.state;
  if (instance.id !== undefined) draft.instanceId = instance.id;
  if (instance.imageId !== undefined) draft.imageId = instance.imageId;
  if (instance.state !== 'running' || instance.address === undefined || instance.endpoint === undefined) return;
  draft.endpoint = instance.endpoint;
  draft.address = worker.spec.overrides?.address ?? instance.address;
}

/** Puts what was seen of CML into a draft status. Nothing moves if nothing is new but the heartbeat. */
export function applyProbe(draft: WorkerStatus, worker: Worker, world: WorkerWorld, now: Date): void {
  const { probe } = world;
  const { generation } = worker.metadata;
  const set = (update: ConditionUpdate): void => setCondition(draft, update, now, generation);
  const { endpoint, overrides } = worker.spec;
  if (endpoint !== undefined) {
    draft.endpoint = endpoint;
    draft.address = overrides?.address ?? new URL(endpoint).hostname;
  }
  const unusable = unusableBy(worker, world);
  if (unusable) {
    set({ type: 'CMLReady', status: 'False', ...unusable });
    return;
  }
  if (!probe) return;
  // A Secret that somebody took away makes nobody's lab go: `unconfigured` says nothing about the host.
  if (probe.state === 'unreachable') draft.unreachableSince ??= toTime(now);
  else if (probe.state !== 'unconfigured') {
    Reflect.deleteProperty(draft, 'unreachableSince');
    const last = fromTime(draft.lastProbeTime);
    if (last === undefined || now.getTime() - last.getTime() >= world.limits.heartbeat) draft.lastProbeTime = toTime(now);
  }
  switch (probe.state) {
    case 'unreachable':
      set({ type: 'CMLReady', status: 'False', reason: 'Unreachable', message: probe.message });
      return;
    case 'unconfigured':
    case 'notReady':
      set({ type: 'CMLReady', status: 'False', reason: probe.reason, message: probe.message });
      if (probe.state === 'notReady' && probe.version !== undefined) draft.cmlVersion = probe.version;
      return;
    case 'ready':
      draft.cmlVersion = probe.version;
      draft.nodeDefinitions = [...new Set(probe.nodeDefinitions)].sort().slice(0, MAX_NODE_DEFINITIONS);
      draft.nestedVirtualization = probe.nestedVirtualization;
      draft.foreignPorts = [...probe.foreignPorts];
      draft.foreignLabs = probe.foreignLabs;
      noteActivity(draft, probe.lastActivity, world.limits.heartbeat);
      set({ type: 'CMLReady', status: 'True', reason: 'Ready', message: `CML ${probe.version} answers and accepts the credentials.` });
      applyLicense(draft, probe.license, world, set);
  }
}

/** What people do on a host is worth a write once in a heartbeat. */
function noteActivity(draft: WorkerStatus, seen: Date | undefined, heartbeat: number): void {
  if (seen && seen.getTime() - (fromTime(draft.lastActivityAt)?.getTime() ?? 0) >= heartbeat) draft.lastActivityAt = toTime(seen);
}

/** Why CML cannot be asked at all: something that a person must set right, or a machine that does not run. */
function unusableBy({ spec }: Worker, { offer, instance }: WorkerWorld): { reason: string; message: string } | undefined {
  if (!offer) return { reason: 'TemplateNotFound', message: `WorkerTemplate ${spec.templateName} does not exist. Create it, or give spec.overrides.capacity and spec.overrides.maxNodes.` };
  if (instance && instance.state !== 'running') return { reason: 'InstanceNotRunning', message: `Its instance is ${instance.state}.` };
  return undefined;
}

/** The template's licence is the wish, the one read from CML the truth. */
function applyLicense(draft: WorkerStatus, { registration, authorization, product }: LicenseFacts, world: WorkerWorld, set: (update: ConditionUpdate) => void): void {
  const { wantedLicense: wanted } = world;
  const name = licenseProduct(product);
  const registeredByUs = draft.license?.registeredByUs === true || world.registration?.reason === 'Registering';
  draft.license = { product: name, ...(authorization === '' ? {} : { state: authorization }), ...(name === 'Personal' ? { nodeLimit: PERSONAL_NODES } : {}), ...(registeredByUs ? { registeredByUs } : {}) };
  if (registration !== 'COMPLETED' || authorization !== 'IN_COMPLIANCE') {
    set({ type: 'Licensed', status: 'False', ...(world.registration ?? notLicensed(registration, authorization)) });
  } else if (wanted !== undefined && wanted !== name) {
    set({ type: 'Licensed', status: 'False', reason: 'LicenseMismatch', message: `The template asks for a licence ${wanted}, the host has ${product}. Correct licenseType of the WorkerTemplate, or the licence of the host.` });
  } else {
    set({ type: 'Licensed', status: 'True', reason: 'InCompliance', message: `${product}, in compliance.` });
  }
}

const notLicensed = (registration: string, authorization: string): Omit<Registration, 'reason'> & { reason: string } => ({
  reason: 'NotLicensed', message: `CML says registration ${registration || 'unknown'}, authorization ${authorization || 'unknown'}. Register the licence on the host, or name licenseTokenSecretRef in its WorkerTemplate.`,
});

/** The condition Schedulable: may a session be placed on it now? The phase must be final when it is called. */
export function setSchedulable(draft: WorkerStatus, worker: Worker, world: WorkerWorld, now: Date): void {
  const why = notSchedulable(draft, worker, world);
  const update: ConditionUpdate = why
    ? { type: 'Schedulable', status: 'False', ...why }
    : { type: 'Schedulable', status: 'True', reason: 'Ready', message: 'Sessions can be placed on it.' };
  setCondition(draft, update, now, worker.metadata.generation);
}

function notSchedulable(draft: WorkerStatus, worker: Worker, { unknownDemands, offer }: WorkerWorld): { reason: string; message: string } | undefined {
  const phase = draft.phase ?? 'Pending';
  if (phase === 'Draining' || isDeleting(worker)) return { reason: 'Draining', message: draft.message ?? 'It takes no new sessions.' };
  if (!isTrue(draft, 'CMLReady') || !offer) {
    const { reason, message } = getCondition(draft, 'CMLReady') ?? { reason: 'NotProbed', message: 'Its CML host was not asked yet.' };
    return { reason, message: message ?? '' };
  }
  if (!isTrue(draft, 'Licensed')) {
    const { reason, message } = getCondition(draft, 'Licensed') ?? { reason: 'NotLicensed', message: 'Its licence was not read yet.' };
    return { reason, message: message ?? '' };
  }
  if (phase !== 'Running') return { reason: 'NotRunning', message: `Its phase is ${phase}.` };
  const [first] = unknownDemands;
  if (first !== undefined) return { reason: 'DemandUnknown', message: `Nobody knows what session ${first} on it needs, since its definition version cannot be read; nothing is placed beside it until it ends.` };
  return undefined;
}
