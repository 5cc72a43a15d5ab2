/** What the scene `fleet` must have led to, as a pure function of what is there in the end. */
import type { LabletSession, SessionPhase } from '../../src/api/labletsession.ts';
import type { Worker } from '../../src/api/worker.ts';
import { identityProblems, sequenceProblems } from './expect.ts';
import { isNoShow, MAX_WORKERS, PRICES, scoreOf, SESSIONS } from './fleet-plan.ts';
import type { Machine } from './fleet-ec2.ts';
import type { Delivery } from './sink.ts';

/** What somebody did to a worker, and who was on it then. */
export interface Blow {
  readonly worker: string;
  /** Names of the sessions that held capacity on it. */
  readonly sessions: readonly string[];
}

export interface FleetOutcome {
  readonly sessions: readonly LabletSession[];
  readonly workers: readonly Worker[];
  readonly machines: readonly Machine[];
  readonly deliveries: readonly Delivery[];
  /** Most workers that were neither Terminated nor Failed at one time. */
  readonly peak: number;
  /** A person had it stopped. */
  readonly drained: Blow | undefined;
  /** Its instance was terminated outside. */
  readonly dead: Blow | undefined;
}

/** Who loses the host in one of these phases loses the exam with it (T21); before, another host is found (T4, T7). */
const NEEDS_HOST: readonly SessionPhase[] = ['Ready', 'Running', 'Collecting', 'Grading'];
const SCALING = ['ccm.worker.scaling.up', 'ccm.worker.draining', 'ccm.worker.scaling.down'];

/** Was the session moved to another worker before it began? */
export const wasMoved = ({ status }: LabletSession): boolean => (status?.reschedules ?? 0) > 0;
export const wasLost = ({ status }: LabletSession): boolean => status?.phase === 'Terminated' && status.reason === 'WorkerLost';

/** @returns a sentence for each thing that is wrong; empty: all is well */
export function fleetProblems(outcome: FleetOutcome): string[] {
  const { sessions, drained, dead } = outcome;
  return [
    ...(sessions.length === SESSIONS ? [] : [`there are ${sessions.length} sessions instead of ${SESSIONS}`]),
    ...(drained ? [] : ['no worker was drained by a person']),
    ...(dead ? [] : ['no instance was terminated outside']),
    ...sessions.flatMap((session) => sessionProblems(session, outcome)),
    ...workerProblems(outcome),
    ...eventProblems(outcome.deliveries),
  ];
}

function sessionProblems(session: LabletSession, { drained, dead }: FleetOutcome): string[] {
  const { metadata: { name }, status } = session;
  const says = `${status?.phase ?? 'absent'} (${status?.reason ?? ''}: ${status?.message ?? ''})`;
  const last = status?.history?.at(-1);
  const lostItsHost = wasLost(session) && dead?.sessions.includes(name) === true && status?.workerName === dead.worker && NEEDS_HOST.some((phase) => phase === last?.from);
  const [phase, reason] = isNoShow(name) ? ['Terminated', 'NoShow'] : ['Archived', 'Graded'];
  const isAsPlanned = status?.phase === phase && status.reason === reason && (isNoShow(name) || status.scoreReport?.score === scoreOf(name));
  return [
    ...(isAsPlanned || lostItsHost ? [] : [`session ${name}: is ${says} with score ${status?.scoreReport?.score ?? 'none'} instead of ${phase} (${reason}), by ${(status?.history ?? []).map(({ row }) => row).join(' ')}; events for it: ${(status?.inbox ?? []).map(({ type, result, time }) => `${type} ${result} ${time}`).join(', ')}`]),
    ...(wasMoved(session) && ![drained, dead].some((blow) => blow?.sessions.includes(name)) ? [`session ${name}: was moved, and nothing had happened to its worker`] : []),
    ...((status?.outbox ?? []).length === 0 ? [] : [`session ${name}: ${status?.outbox?.length ?? 0} events were not acknowledged`]),
  ];
}

function workerProblems({ workers, machines, peak, drained, dead }: FleetOutcome): string[] {
  const phaseOf = (blow: Blow | undefined): string | undefined => workers.find(({ metadata }) => metadata.name === blow?.worker)?.status?.phase;
  const unused = [...PRICES.keys()].filter((template) => !workers.some(({ spec }) => spec.templateName === template));
  const ids = workers.flatMap(({ status }) => status?.instanceId ?? []);
  return [
    ...(peak <= MAX_WORKERS ? [] : [`there were ${peak} workers at one time, and ${MAX_WORKERS} are allowed`]),
    ...unused.map((template) => `no worker was made of template ${template}`),
    ...(drained === undefined || phaseOf(drained) === 'Stopped' ? [] : [`worker ${drained.worker} was to be stopped and is ${phaseOf(drained) ?? 'gone'}`]),
    ...(dead === undefined || phaseOf(dead) === 'Terminated' ? [] : [`worker ${dead.worker} has no instance any more and is ${phaseOf(dead) ?? 'gone'}`]),
    ...workers.filter(({ status }) => !isOver(status?.phase)).map(({ metadata, status }) => `worker ${metadata.name} is still ${status?.phase ?? 'new'}`),
    ...machines.filter(({ state }) => state !== 'stopped' && state !== 'terminated').map(({ id, state }) => `instance ${id} is still ${state}, and nobody needs it`),
    ...machines.filter(({ id }) => !ids.includes(id)).map(({ id }) => `instance ${id} belongs to no worker`),
    ...(new Set(ids).size === ids.length ? [] : ['two workers share an instance']),
  ];
}

/** Has a worker come to where nothing more is paid for it? */
export const isOver = (phase: string | undefined): boolean => phase === 'Stopped' || phase === 'Terminated';

function eventProblems(deliveries: readonly Delivery[]): string[] {
  const seen = new Set(deliveries.map(({ type }) => type));
  return [
    ...SCALING.filter((type) => !seen.has(type)).map((type) => `no event ${type} came`),
    ...[...Map.groupBy(deliveries, ({ source }) => source)].flatMap(([source, own]) => sequenceProblems(source, own)),
    ...identityProblems(deliveries),
  ];
}
