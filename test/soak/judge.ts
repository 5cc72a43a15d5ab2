/** What is wrong after a soak: a pure function of what is there in the end. */
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { Delivery } from '../../hack/demo/sink.ts';
import { illegalEntry, placesAfter } from './legal-path.ts';
import type { Planned } from './plan.ts';
import type { SoakOutcome } from './run.ts';

/** Twice the budget of a whole life, for what conflicts and retries cost: beyond it somebody writes in circles. */
const MAX_STATUS_WRITES = 48;
const OVER = ['Ended', 'Expired', 'Faulted'];

/** A sentence for each thing that is wrong; empty: all is well. */
export function soakProblems(outcome: SoakOutcome): string[] {
  const sources = Map.groupBy(outcome.deliveries, ({ source }) => source);
  return [
    ...outcome.planned.flatMap((one) => sessionProblems(outcome, one, sources)),
    ...leftovers(outcome),
    ...identityProblems(outcome.deliveries),
    ...[...outcome.writes].filter(([, count]) => count > MAX_STATUS_WRITES).map(([name, count]) => `${name}: its status was written ${count} times`),
    ...outcome.errors.map((line) => `the controller logged an error: ${line}`),
  ];
}

/** How the sessions ended: so many of each fate, phase and reason. */
export function endings({ planned, sessions, gone }: SoakOutcome): string[] {
  const told = planned.map(({ name, fate }) => `${fate}: ${sessions.get(name)?.status?.phase ?? 'no phase'}${gone.has(name) ? ', deleted' : ''}, ${sessions.get(name)?.status?.reason ?? 'no reason'}`);
  return [...Map.groupBy(told, (text) => text)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([text, same]) => `${String(same.length).padStart(4)} ${text}`);
}

function sessionProblems(outcome: SoakOutcome, one: Planned, sources: ReadonlyMap<string, readonly Delivery[]>): string[] {
  const session = outcome.sessions.get(one.name);
  if (!session) return [`${one.name}: was never seen`];
  const isGone = outcome.gone.has(one.name);
  const deliveries = [...sources].find(([source]) => source.endsWith(`/${session.metadata.uid}`))?.[1] ?? [];
  return [...endProblems(session, one, isGone), ...pathProblems(session, deliveries, isGone), ...resultProblems(outcome, session, one)].map((problem) => `${one.name}: ${problem}`);
}

/** It is over, and nobody can use it any more. */
function endProblems({ status }: LabletSession, { fate, blow }: Planned, isGone: boolean): string[] {
  if (isGone) return fate === 'delete' ? [] : ['is gone, and nobody deleted it'];
  const state = status?.userSession?.state;
  return [
    ...(fate === 'delete' && status?.history?.some(({ to }) => to === blow?.phase) ? ['was deleted and is still there'] : []),
    ...(status?.phase === 'Archived' || status?.phase === 'Terminated' ? [] : [`is ${status?.phase ?? 'without a phase'}: ${status?.reason ?? ''}, ${status?.message ?? ''} (${status?.pipeline?.name ?? 'no pipeline'}: ${status?.pipeline?.error ?? ''})`]),
    ...(state === undefined || OVER.includes(state) ? [] : [`its UserSession is ${state}`]),
    ...((status?.outbox ?? []).length === 0 ? [] : [`${status?.outbox?.length ?? 0} events were not acknowledged`]),
  ];
}

/** History and events are ways through the table, the events of one object without a gap. */
function pathProblems({ status }: LabletSession, deliveries: readonly Delivery[], isGone: boolean): string[] {
  const first = [...new Map(deliveries.map((one) => [one.id, one])).values()];
  const numbers = first.map(({ sequence }) => sequence);
  const types = first.map(({ type }) => type);
  const places = placesAfter(types);
  const wrong = illegalEntry(status?.history ?? []);
  const end = isGone ? [...places].some((place) => place === null || place === 'Terminated') : places.has(status?.phase ?? null);
  const told = types.map((type) => type.replace('ccm.lablet.', '')).join(', ') || 'none';
  return [
    ...(wrong ? [`its history has ${wrong.row ?? 'no row'} from ${wrong.from ?? 'nothing'} to ${wrong.to}, which is no way of the table`] : []),
    ...(numbers.every((number, index) => number === index + 1) ? [] : [`the sequence of its events is ${numbers.join(', ')}`]),
    ...(places.size > 0 ? [] : [`its events are no way through the table: ${told}`]),
    ...(places.size === 0 || end ? [] : [`its events end elsewhere than the session, which is ${isGone ? 'deleted' : (status?.phase ?? 'new')}: ${told}`]),
  ];
}

/** A candidate whom nothing hits gets the grade that the script gives. */
function resultProblems({ reports }: SoakOutcome, { metadata, status }: LabletSession, { fate }: Planned): string[] {
  const own = reports.filter(({ spec }) => spec.sessionRef.uid === metadata.uid);
  const graded = (score: number): string[] => (own.length === 1 && own[0]?.spec.score === score ? [] : [`has ${own.length} ScoreReports (${own.map(({ spec }) => spec.score).join()}) instead of one with ${score}; ${status?.reason ?? ''}: ${status?.message ?? ''}`]);
  const ungraded = (reason: string): string[] => (own.length === 0 && status?.history?.some((entry) => entry.reason === reason) ? [] : [`has ${own.length} ScoreReports and the reasons ${status?.history?.map((entry) => entry.reason).join(', ') ?? ''} instead of none and ${reason}`]);
  switch (fate) {
    case 'pass':
      return graded(87);
    case 'fail-score':
      return graded(41);
    case 'no-show':
      return ungraded('NoShow');
    case 'grading-failure':
      return ungraded('GradingFailed');
    case 'cancel':
    case 'end':
    case 'delete':
    case 'lost-lab':
      return own.length <= 1 ? [] : [`has ${own.length} ScoreReports`];
  }
}

/** Nothing stays on a host, in an object or in LDS. */
function leftovers({ labs, workers, titlesOnHosts, portClashes, ldsSessions }: SoakOutcome): string[] {
  return [
    ...titlesOnHosts.map((title) => `lab ${title} is left on its CML host`),
    ...labs.map(({ metadata, spec, status }) => `Lab ${metadata.name} is left with ${spec.ports.length} ports, claimed by ${spec.sessionRef?.name ?? 'nobody'} (${JSON.stringify(status ?? {})})`),
    ...workers.filter(({ status }) => status?.sessions !== 0 || status.capacity?.available.nodes !== 100).map(({ metadata, status }) => `Worker ${metadata.name} counts ${status?.sessions ?? 'no'} sessions, ${status?.capacity?.available.nodes ?? 0} nodes are available`),
    ...(portClashes === 0 ? [] : [`${portClashes} times two labs wanted the same port`]),
    ...ldsSessions.filter(({ state }) => ['PENDING', 'PRELAUNCH', 'RUNNING', 'PAUSED'].includes(state)).map(({ id, candidateId, state }) => `LDS session ${id} of ${candidateId} is still ${state}`),
  ];
}

/** One id, one event: the same bytes each time, and no two events in one place of a sequence. */
function identityProblems(deliveries: readonly Delivery[]): string[] {
  const changed = [...Map.groupBy(deliveries, ({ id }) => id)].filter(([, same]) => new Set(same.map(({ bytes }) => bytes)).size > 1);
  const doubled = [...Map.groupBy(deliveries, ({ source, sequence }) => `${source} ${sequence}`)].filter(([, same]) => new Set(same.map(({ id }) => id)).size > 1);
  return [...changed.map(([id]) => `event ${id} was sent again with other bytes`), ...doubled.map(([place]) => `${place} was given to two events`)];
}
