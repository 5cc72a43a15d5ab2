/** What the demo must have led to, as a pure function of what is there in the end. */
import type { Lab } from '../../src/api/lab.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { ScoreReport } from '../../src/api/scorereport.ts';
import type { Expected } from './candidates.ts';
import type { Delivery } from './sink.ts';

/** The state of the world that is judged. */
export interface Outcome {
  readonly sessions: readonly LabletSession[];
  readonly reports: readonly ScoreReport[];
  readonly labs: readonly Lab[];
  readonly deliveries: readonly Delivery[];
  /** Titles of the labs that are still on a CML host. */
  readonly titlesOnHosts: readonly string[];
  /** How many labs were ever imported into a CML host. */
  readonly imports: number;
  /** How often two labs wanted the same port of a host. */
  readonly portClashes: number;
}

/** Events of a session that is graded, in the order of the contract (§10.1). */
const GRADED = [
  'session.pending', 'session.scheduled', 'session.instantiating', 'user_session.created', 'session.ready', 'session.running',
  'grading_session.created', 'session.collecting', 'session.grading', 'score_report.created', 'session.graded', 'session.stopping', 'session.stopped',
];
/** Events of a session to which nobody comes. */
const NO_SHOW = [
  'session.pending', 'session.scheduled', 'session.instantiating', 'user_session.created', 'session.ready', 'session.stopping', 'session.stopped', 'session.terminated',
];
const DEFINITION = ['definition.created'];

/** Has a session come to where nothing more happens to it in the time of a demo, and the sink has all of its events? */
export function isSettled({ status }: LabletSession): boolean {
  return (status?.phase === 'Archived' || status?.phase === 'Terminated') && (status.outbox ?? []).length === 0;
}

/**
 * Compares an outcome with what was expected.
 * @returns a sentence for each thing that is wrong; empty: all is well
 */
export function problems(outcome: Outcome, expected: readonly Expected[]): string[] {
  return [
    ...unexpectedSessions(outcome, expected),
    ...expected.flatMap((one) => [...phaseProblems(outcome, one), ...reportProblems(outcome, one)]),
    ...eventProblems(outcome, expected),
    ...leftovers(outcome, expected),
  ];
}

function unexpectedSessions({ sessions }: Outcome, expected: readonly Expected[]): string[] {
  const names = new Set(expected.map(({ session }) => session));
  return sessions.filter(({ metadata }) => !names.has(metadata.name)).map(({ metadata }) => `session ${metadata.name} was not expected`);
}

function phaseProblems({ sessions }: Outcome, { session: name, ending }: Expected): string[] {
  const status = sessions.find(({ metadata }) => metadata.name === name)?.status;
  if (status === undefined) return [`session ${name}: has no status`];
  const phase = ending === 'NoShow' ? 'Terminated' : 'Archived';
  const reason = ending === 'NoShow' ? 'NoShow' : 'Graded';
  return [
    ...(status.phase === phase ? [] : [`session ${name}: phase is ${status.phase ?? 'absent'} instead of ${phase} (${status.reason ?? ''}: ${status.message ?? ''})`]),
    ...(status.reason === reason ? [] : [`session ${name}: reason is ${status.reason ?? 'absent'} instead of ${reason} (${status.message ?? ''})`]),
    ...((status.outbox ?? []).length === 0 ? [] : [`session ${name}: ${status.outbox?.length ?? 0} events were not acknowledged`]),
  ];
}

function reportProblems({ sessions, reports }: Outcome, { session: name, ending, score }: Expected): string[] {
  const own = reports.filter(({ spec }) => spec.sessionRef.name === name);
  const wanted = score === undefined ? 0 : 1;
  if (own.length !== wanted) return [`session ${name}: has ${own.length} ScoreReports instead of ${wanted}`];
  const [report] = own;
  if (report === undefined) return [];
  const passed = ending === 'Passed';
  const summary = sessions.find(({ metadata }) => metadata.name === name)?.status?.scoreReport;
  return [
    ...(report.spec.score === score && report.spec.passed === passed ? [] : [`session ${name}: score is ${report.spec.score} (passed: ${report.spec.passed}) instead of ${score ?? 0} (passed: ${passed})`]),
    ...(summary?.name === report.metadata.name && summary.score === report.spec.score ? [] : [`session ${name}: its status does not tell the result of ${report.metadata.name}`]),
  ];
}

/** Types, order, sequence and identity of the events of each source; a source is one object (§10.1). */
function eventProblems({ deliveries, sessions }: Outcome, expected: readonly Expected[]): string[] {
  const sources = Map.groupBy(deliveries, ({ source }) => source);
  const wanted = expected.map(({ session, ending }) => {
    const uid = sessions.find(({ metadata }) => metadata.name === session)?.metadata.uid ?? 'absent';
    return { what: `session ${session}`, source: [...sources.keys()].find((source) => source.endsWith(`/${uid}`)), types: ending === 'NoShow' ? NO_SHOW : GRADED };
  });
  wanted.push({ what: 'definition', source: [...sources.keys()].find((source) => source.includes('/labletdefinitions/')), types: DEFINITION });
  const known = new Set(wanted.map(({ source }) => source));
  return [
    ...wanted.flatMap(({ what, source, types }) => sourceProblems(what, source === undefined ? [] : (sources.get(source) ?? []), types)),
    ...[...sources.keys()].filter((source) => !known.has(source)).map((source) => `events came from ${source}, which was not expected`),
    ...identityProblems(deliveries),
  ];
}

function sourceProblems(what: string, deliveries: readonly Delivery[], types: readonly string[]): string[] {
  const came = firstArrivals(deliveries).map(({ type }) => type.replace(/^ccm\.lablet\./, ''));
  return [
    ...sequenceProblems(what, deliveries),
    ...(came.join() === types.join() ? [] : [`${what}: the events were ${came.join(', ') || 'none'} instead of ${types.join(', ')}`]),
  ];
}

/** A re-send repeats an earlier event; what counts for the order is when each came first. */
const firstArrivals = (deliveries: readonly Delivery[]): Delivery[] => [...Map.groupBy(deliveries, ({ id }) => id).values()].flatMap(([first]) => first ?? []);

/** The events of one source count from 1 without a gap. */
export function sequenceProblems(what: string, deliveries: readonly Delivery[]): string[] {
  const numbers = firstArrivals(deliveries).map(({ sequence }) => sequence);
  return numbers.every((number, index) => number === index + 1) ? [] : [`${what}: the sequence is ${numbers.join(', ')} instead of 1 to ${numbers.length} without a gap`];
}

/** One id, one event: the same id always brings the same bytes, and no two events share a place in a sequence. */
export function identityProblems(deliveries: readonly Delivery[]): string[] {
  const changed = [...Map.groupBy(deliveries, ({ id }) => id)].filter(([, same]) => new Set(same.map(({ bytes }) => bytes)).size > 1);
  const doubled = [...Map.groupBy(deliveries, ({ source, sequence }) => `${source} ${sequence}`)].filter(([, same]) => new Set(same.map(({ id }) => id)).size > 1);
  return [
    ...changed.map(([id, same]) => `event ${id} (${same[0]?.type ?? ''}) was sent again with other bytes`),
    ...doubled.map(([place, same]) => `${place} was given to ${same.map(({ type }) => type).join(' and ')}`),
  ];
}

/** One lab for each session on the CML side, no two on one port, and nothing left of any. */
function leftovers({ labs, titlesOnHosts, imports, portClashes }: Outcome, expected: readonly Expected[]): string[] {
  return [
    ...(imports === expected.length ? [] : [`${imports} labs were imported for ${expected.length} sessions`]),
    ...(portClashes === 0 ? [] : [`${portClashes} times two labs wanted the same port`]),
    ...titlesOnHosts.map((title) => `lab ${title} is left on the CML host`),
    ...labs.map(({ metadata }) => `Lab ${metadata.name} is left, and its ports with it`),
  ];
}
