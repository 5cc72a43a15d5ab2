/**
 * Which worker a session gets: filters in order, then a score (contract, §3). Pure: a snapshot in, an answer out.
 * The leader keeps the snapshot as its assumed state, so that a decision never waits for the watch to catch up.
 */
import { compareCmlVersions } from '../api/cml-version.ts';
import { matchesGlob } from './glob.ts';
import { allocatePorts, hasFree } from './ports.ts';
import type { AllocatedPort, PortRange, PortTemplate } from './ports.ts';
import type { Interval } from './capacity-profile.ts';
import type { PinnedDefinition, Resources } from './definition.ts';

/** Why a worker cannot have a session, in the order of the filters; `CapacityBooked`: there is room now, and it is promised to bookings. */
const REJECTIONS = ['WorkerNotReady', 'WorkerDraining', 'LicenseMismatch', 'NodeLimit', 'InsufficientResources', 'IncompatibleImage', 'NoPorts', 'NoNestedVirtualization', 'CapacityBooked'] as const;
export type Rejection = (typeof REJECTIONS)[number];

/** A worker as the scheduler sees it; `used` counts all that is bound to it, decisions of this moment included. */
export interface WorkerSnapshot {
  name: string;
  phase: string;
  /** Not draining, CML reachable, licence in order. */
  schedulable: boolean;
  draining: boolean;
  provider: 'static' | 'ec2';
  license: string | undefined;
  /** The smaller of the template's maxNodes and the licence's limit. */
  nodeLimit: number;
  declared: Resources;
  used: Resources & { nodes: number };
  sessions: number;
  portRange: PortRange;
  takenPorts: ReadonlySet<number>;
  /** Of a worker that is yet to be made: the glob of its template. */
  imageName: string | undefined;
  cmlVersion: string | undefined;
  nodeDefinitions: ReadonlySet<string> | undefined;
  nestedVirtualization: boolean;
  /** Free Labs that a session may claim, best first: name, definition key and version. */
  reusableLabs: readonly ReusableLab[];
}

export interface ReusableLab {
  name: string;
  /** `namespace/name@version` */
  definition: string;
  state: 'Wiped' | 'Stopped' | 'Defined';
  /** Bytes that it holds though nobody uses it: those of a warm Lab, which pass to the session that claims it. */
  storage: number;
}

/** What a session needs of a worker. */
export interface Demand {
  /** `namespace/name@version`: the key under which a Lab can be used again. */
  definition: string;
  resources: Resources;
  nodeCount: number;
  nodeDefinitions: readonly string[];
  portCount: number;
  images: readonly { namePattern?: string | undefined; cmlVersionMin?: string | undefined; cmlVersionMax?: string | undefined; nodeDefinitions?: string[] | undefined }[];
  licenseAffinity: readonly string[];
  nestedVirtualization: boolean;
  labReuse: boolean;
}

export const definitionKey = (ref: { namespace: string; name: string; version: string }): string => `${ref.namespace}/${ref.name}@${ref.version}`;

export function demandOf(definition: PinnedDefinition, resources: Resources): Demand {
  const { spec } = definition;
  return {
    definition: definitionKey(definition), resources, nodeCount: definition.nodeCount, nodeDefinitions: definition.nodeDefinitions,
    portCount: definition.ports.length, images: spec.images ?? [], licenseAffinity: spec.licenseAffinity ?? [],
    nestedVirtualization: spec.nestedVirtualization, labReuse: spec.labReuse,
  };
}

type Filter = (worker: WorkerSnapshot, demand: Demand) => Rejection | undefined;

const unless = (holds: boolean, rejection: Rejection): Rejection | undefined => (holds ? undefined : rejection);

/** In the order of the contract: the first failure is the reason that is told. */
const FILTERS: readonly Filter[] = [
  (worker) => (worker.draining ? 'WorkerDraining' : unless(worker.phase === 'Running' && worker.schedulable, 'WorkerNotReady')),
  (worker, demand) => unless(demand.licenseAffinity.length === 0 || demand.licenseAffinity.includes(worker.license ?? ''), 'LicenseMismatch'),
  (worker, demand) => unless(worker.used.nodes + demand.nodeCount <= worker.nodeLimit, 'NodeLimit'),
  (worker, demand) => unless(hasResources(worker, demand), 'InsufficientResources'),
  (worker, demand) => unless(imageFits(worker, demand), 'IncompatibleImage'),
  (worker, demand) => unless(hasFree(worker.portRange, worker.takenPorts, demand.portCount) || reusable(worker, demand) !== undefined, 'NoPorts'),
  (worker, demand) => unless(!demand.nestedVirtualization || worker.nestedVirtualization, 'NoNestedVirtualization'),
];

/** Fractions of a CPU do not add up exactly. */
const ROUNDING = 1e-9;

function hasResources(worker: WorkerSnapshot, demand: Demand): boolean {
  const { used, declared } = worker;
  const { cpu, memory, storage } = demand.resources;
  if (used.cpu + cpu > declared.cpu + ROUNDING || used.memory + memory > declared.memory) return false;
  return used.storage + storage <= declared.storage || used.storage + storage - (reusable(worker, demand)?.storage ?? 0) <= declared.storage;
}

function imageFits(worker: WorkerSnapshot, demand: Demand): boolean {
  const has = (definitions: readonly string[]): boolean => worker.nodeDefinitions === undefined || definitions.every((definition) => worker.nodeDefinitions?.has(definition));
  if (!has(demand.nodeDefinitions)) return false;
  return demand.images.every((image) => {
    if (image.namePattern && worker.provider === 'ec2' && !matchesGlob(image.namePattern, worker.imageName ?? '')) return false;
    const { cmlVersion } = worker;
    if (image.cmlVersionMin && (!cmlVersion || compareCmlVersions(cmlVersion, image.cmlVersionMin) < 0)) return false;
    if (image.cmlVersionMax && (!cmlVersion || compareCmlVersions(cmlVersion, image.cmlVersionMax) > 0)) return false;
    return has(image.nodeDefinitions ?? []);
  });
}

const READINESS = ['Wiped', 'Defined', 'Stopped'];

/** The free Lab of the same definition and version that is ready soonest. */
function reusable(worker: WorkerSnapshot, demand: Demand): ReusableLab | undefined {
  if (!demand.labReuse) return undefined;
  let best: ReusableLab | undefined;
  for (const lab of worker.reusableLabs) if (lab.definition === demand.definition && (!best || sooner(lab, best))) best = lab;
  return best;
}

function sooner(a: ReusableLab, b: ReusableLab): boolean {
  const order = READINESS.indexOf(a.state) - READINESS.indexOf(b.state);
  return order === 0 ? a.name < b.name : order < 0;
}

/** Why the session cannot run on the worker now; undefined: it can. */
export function rejection(worker: WorkerSnapshot, demand: Demand): Rejection | undefined {
  for (const filter of FILTERS) {
    const found = filter(worker, demand);
    if (found) return found;
  }
  return undefined;
}

const REUSE_BONUS = 0.02;

/** Packs: the fuller worker wins, and a little more if it holds a Lab that can be used again. */
export function score(worker: WorkerSnapshot, demand: Demand): number {
  const ratio = (name: 'cpu' | 'memory'): number => (worker.declared[name] === 0 ? 0 : worker.used[name] / worker.declared[name]);
  return (ratio('cpu') + ratio('memory')) / 2 + Math.min(0.05, 0.01 * worker.sessions) + (reusable(worker, demand) ? REUSE_BONUS : 0);
}

export type Placement<W extends WorkerSnapshot = WorkerSnapshot> =
  | { kind: 'assign'; worker: W; reuse: ReusableLab | undefined }
  | { kind: 'wait'; message: string; rejections: Partial<Record<Rejection, number>> };

/** What a worker is worth to a session: why it cannot have it, or how well it would. */
type Verdict = { rejection: Rejection } | { rejection: undefined; score: number };

function judge(worker: WorkerSnapshot, demand: Demand): Verdict {
  const found = rejection(worker, demand);
  return found ? { rejection: found } : { rejection: undefined, score: score(worker, demand) };
}

/**
 * The best worker for a session, or what every worker lacks: `0/7 workers: 3 NodeLimit, 4 InsufficientResources`.
 * @param hasRoom whether the worker can have it until its end and keep what it has promised; asked only where the filters agree and the score is the best so far
 */
export function place<W extends WorkerSnapshot>(
  demand: Demand, workers: readonly W[], verdictOf: (worker: W, index: number) => Verdict = (worker) => judge(worker, demand), hasRoom: (worker: W) => boolean = () => true,
): Placement<W> {
  let best: { worker: W; score: number } | undefined;
  workers.forEach((worker, index) => {
    const verdict = verdictOf(worker, index);
    if (verdict.rejection) return;
    const better = !best || verdict.score > best.score || (verdict.score === best.score && fuller(worker, best.worker));
    if (better && hasRoom(worker)) best = { worker, score: verdict.score };
  });
  if (best) return { kind: 'assign', worker: best.worker, reuse: reusable(best.worker, demand) };
  return explain(workers.map((worker, index) => verdictOf(worker, index).rejection ?? 'CapacityBooked'));
}

const remainingMemory = (worker: WorkerSnapshot): number => worker.declared.memory - worker.used.memory;

/** Between equal scores: the worker with less memory left, then the first by name. */
function fuller(a: WorkerSnapshot, b: WorkerSnapshot): boolean {
  const memory = remainingMemory(a) - remainingMemory(b);
  return memory === 0 ? a.name < b.name : memory < 0;
}

function explain(found: readonly Rejection[]): Extract<Placement, { kind: 'wait' }> {
  const rejections: Partial<Record<Rejection, number>> = {};
  for (const reason of found) rejections[reason] = (rejections[reason] ?? 0) + 1;
  const counts = REJECTIONS.flatMap((reason) => (rejections[reason] ? [`${rejections[reason]} ${reason}`] : []));
  const why = found.length === 0 ? 'there is no worker. Create a Worker, or a WorkerTemplate that can make one.' : counts.join(', ');
  return { kind: 'wait', message: `0/${found.length} workers: ${why}`, rejections };
}

/** A session that waits for a worker. */
export interface Waiting {
  key: string;
  /** Start of the slot; undefined: as soon as possible. */
  start: Date | undefined;
  created: Date;
}

/** Order of the queue: time to start (as soon as possible counts from creation), then age, then name. */
export function queueOrder(a: Waiting, b: Waiting): number {
  const time = (a.start ?? a.created).getTime() - (b.start ?? b.created).getTime();
  if (time !== 0) return time;
  const age = a.created.getTime() - b.created.getTime();
  return age !== 0 ? age : a.key < b.key ? -1 : Number(a.key > b.key);
}

/** A session to be placed in this round. */
export interface Request {
  key: string;
  demand: Demand;
  ports: readonly PortTemplate[];
  /** Its key in the calendar: the uid of the session. */
  session?: string | undefined;
  /** From now to when it will have given its capacity back; absent: it is placed whatever is promised to others. */
  hold?: Interval | undefined;
}

/** The promises of the calendar, as far as a round of placements asks for them and adds to them (`Calendar.draft`). */
export interface Promises {
  room: (worker: string, key: string, demand: Demand, hold: Interval) => boolean;
  place: (worker: string, key: string, demand: Demand, hold: Interval) => void;
}

export type Assignment =
  | { key: string; kind: 'assign'; workerName: string; reuse: ReusableLab | undefined; ports: readonly AllocatedPort[] }
  | { key: string; kind: 'wait'; message: string; rejections: Partial<Record<Rejection, number>> };

/**
 * Places a queue of sessions, in its order: each decision is counted before the next is made. A session that fits
 * nowhere does not hold up the ones behind it. Neither the snapshot nor the calendar is changed; the counting is done on copies.
 */
export function placeAll(requests: readonly Request[], snapshot: readonly WorkerSnapshot[], calendar?: { draft: () => Promises }): Assignment[] {
  const promises = calendar?.draft();
  const workers = [...snapshot];
  /** Decisions on each worker in this round. */
  const decisions = new Uint32Array(workers.length);
  const verdicts = new Map<Demand, { decisions: number; verdict: Verdict }[]>();
  return requests.map(({ key, session = key, demand, ports, hold }): Assignment => {
    const known = verdicts.get(demand) ?? [];
    verdicts.set(demand, known);
    const hasRoom = (worker: WorkerSnapshot): boolean => !promises || !hold || promises.room(worker.name, session, demand, hold);
    // Sessions of one definition version share a demand, and a decision changes one worker: what was found about the others still holds.
    const placement = place(demand, workers, (worker, index) => {
      const made = decisions[index] ?? 0;
      const kept = known[index];
      if (kept?.decisions === made) return kept.verdict;
      const verdict = judge(worker, demand);
      known[index] = { decisions: made, verdict };
      return verdict;
    }, hasRoom);
    if (placement.kind === 'wait') return { key, ...placement };
    const { worker, reuse } = placement;
    const allocation = reuse ? { ok: true as const, ports: [] } : allocatePorts({ range: worker.portRange, taken: worker.takenPorts, templates: ports });
    if (!allocation.ok) return { key, kind: 'wait', message: `0/${workers.length} workers: 1 NoPorts (${allocation.message})`, rejections: { NoPorts: 1 } };
    const index = workers.indexOf(worker);
    workers[index] = counted(worker, demand, reuse, allocation.ports);
    decisions[index] = (decisions[index] ?? 0) + 1;
    if (hold) promises?.place(worker.name, session, demand, hold);
    return { key, kind: 'assign', workerName: worker.name, reuse, ports: allocation.ports };
  });
}

/** The worker with one more session on it. */
function counted(worker: WorkerSnapshot, { resources, nodeCount }: Demand, reuse: ReusableLab | undefined, ports: readonly AllocatedPort[]): WorkerSnapshot {
  const { used } = worker;
  return {
    ...worker,
    used: { cpu: used.cpu + resources.cpu, memory: used.memory + resources.memory, storage: used.storage + resources.storage - (reuse?.storage ?? 0), nodes: used.nodes + nodeCount },
    sessions: worker.sessions + 1,
    takenPorts: ports.length === 0 ? worker.takenPorts : new Set([...worker.takenPorts, ...ports.map(({ number }) => number)]),
    reusableLabs: reuse ? worker.reusableLabs.filter((lab) => lab.name !== reuse.name) : worker.reusableLabs,
  };
}
