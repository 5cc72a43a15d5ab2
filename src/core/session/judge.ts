/** The decision about a session: from what is known and the time to its next status. Pure. */
import { pipelineSteps, runState, startPipeline } from '../pipelines.ts';
import { setCondition } from '../conditions.ts';
import { fromTime, plus, toTime } from '../time.ts';
import { COLLECT_RETRIES, MAX_GRADE_RETRIES, TABLE, pipelineState } from './table.ts';
import { take } from './effects.ts';
import { due, seen, settle, since, situation } from './situation.ts';
import type { LabletSession, PipelineName } from '../../api/labletsession.ts';
import type { Because, Row, RowId } from './table.ts';
import type { Notice, ReportToCreate, Situation } from './situation.ts';
import type { SessionStatus, SessionWorld, Signal } from './world.ts';

export interface Judgement {
  /** The next status; equal to the old one if nothing is to be written. */
  status: SessionStatus;
  /** The rows that were taken, in order. */
  rows: RowId[];
  /** ScoreReports to create (or find) before the status is written. */
  reports: ReportToCreate[];
  notices: Notice[];
  /** When a deadline could change the decision; undefined: nothing to wait for but changes. */
  wakeAt: Date | undefined;
  /** Events lost to a full outbox. */
  dropped: number;
}

/** No decision takes more rows than this at once: READY with an early start, end and result takes five. */
const MAX_ROWS = 8;

/** Applies every row of the table that applies now. */
export function judge(session: LabletSession, world: SessionWorld, now: Date, signals: readonly Signal[] = []): Judgement {
  const s = situation(session, world, now, signals);
  const rows = applyRows(s);
  explainWaiting(s);
  return conclude(s, rows);
}

/** Applies rows of the table until none applies; `only` restricts which may be taken (ingest). */
export function applyRows(s: Situation, only?: ReadonlySet<RowId>): RowId[] {
  const rows: RowId[] = [];
  while (rows.length < MAX_ROWS) {
    s.wakeAt = undefined;
    if (!only) betweenRows(s);
    const next = firstRow(s, only);
    if (!next) break;
    take(s, next.row, next.because);
    rows.push(next.row.row);
  }
  return rows;
}

export function conclude(s: Situation, rows: RowId[]): Judgement {
  return { status: s.draft, rows, reports: s.reports, notices: s.notices, wakeAt: s.wakeAt, dropped: s.dropped };
}

function firstRow(s: Situation, only?: ReadonlySet<RowId>): { row: Row; because: Because } | undefined {
  for (const row of TABLE) {
    if (row.from !== (s.draft.phase ?? null) || (only && !only.has(row.row))) continue;
    const because = row.when(s);
    if (because) return { row, because };
  }
  return undefined;
}

/** What changes within a phase: runs of pipelines that start again, a grading that fails or is tried again. */
function betweenRows(s: Situation): void {
  if (s.draft.phase === 'Instantiating') {
    const runs = s.draft.pipeline?.attempt ?? 1;
    if (overdue(s, 'instantiate')) failRun(s, `not ready within ${s.world.timeouts.instantiateAttempt / 1000} s`);
    if (pipelineState(s, 'instantiate') === 'failed' && runs < s.world.timeouts.instantiateAttempts && !s.draft.pipeline?.permanent) {
      restart(s, 'instantiate', plus(s.now, s.world.timeouts.instantiateBackoff));
      s.draft.attempts = runs + 1;
    }
  }
  if (s.draft.phase === 'Collecting' && pipelineState(s, 'collect_evidence') === 'failed' && (s.draft.pipeline?.attempt ?? 1) <= COLLECT_RETRIES) restart(s, 'collect_evidence', s.now);
  if (s.draft.phase === 'Collecting' || s.draft.phase === 'Grading') faultOnFailure(s);
  if (s.draft.phase === 'Grading') retryGrading(s);
}

/** Is the current run of instantiate over its limit? */
function overdue(s: Situation, name: PipelineName): boolean {
  const { pipeline } = s.draft;
  if (pipeline?.name !== name || pipelineState(s, name) !== 'running') return false;
  return due(s, plus(new Date(pipeline.startedAt), s.world.timeouts.instantiateAttempt));
}

function failRun(s: Situation, error: string): void {
  const { pipeline } = s.draft;
  if (!pipeline) return;
  const current = pipeline.steps.find((step) => step.state === 'Running' || step.state === 'Pending');
  pipeline.error = `${current?.name ?? pipeline.name}: ${error}${current?.error ? ` (${current.error})` : ''}`.slice(0, 512);
  pipeline.steps = pipeline.steps.map((step) => (step === current ? { ...step, state: 'Failed', error: step.error ?? error } : step));
}

function restart(s: Situation, name: PipelineName, notBefore: Date): void {
  const spec = s.world.definition.state === 'ready' ? s.world.definition.definition.spec : undefined;
  s.draft.pipeline = startPipeline(name, pipelineSteps(name, spec), s.now, s.draft.pipeline, notBefore);
}

/** A failed, timed out or impossible grading: GradingSession Faulted, then the rows decide by onFailure. */
function faultOnFailure(s: Situation): void {
  const grading = s.draft.gradingSession;
  if (!grading || grading.state === 'Faulted' || grading.state === 'Submitted') return;
  const event = seen(s, 'grading.session.failed');
  const fault = (error: string): void => {
    s.draft.gradingSession = { ...grading, state: 'Faulted', completedAt: toTime(s.now), error: error.slice(0, 512) };
    setCondition(s.draft, { type: 'Graded', status: 'False', reason: 'GradingFailed', message: error }, s.now, s.session.metadata.generation);
  };
  if (event) {
    settle(s, event.entry, 'Applied');
    fault(event.event.data.error);
    return;
  }
  if (s.draft.phase !== 'Grading') return;
  const { pipeline } = s.draft;
  const spec = s.world.definition.state === 'ready' ? s.world.definition.definition.spec : undefined;
  if (pipeline?.name === 'compute_grading' && runState(pipeline, pipelineSteps('compute_grading', spec)) === 'failed') {
    fault(pipeline.error ?? 'the grading could not be asked for');
    return;
  }
  const from = fromTime(grading.requestedAt) ?? since(s);
  if (!seen(s, 'grading.session.completed') && due(s, plus(from, s.world.timeouts.grading))) fault('no result in time');
}

/** onFailure Retry: up to two more grade calls on the same grading session, after a pause. */
function retryGrading(s: Situation): void {
  const grading = s.draft.gradingSession;
  if (grading?.state !== 'Faulted' || s.world.definition.state !== 'ready' || seen(s, 'grading.session.completed')) return;
  if (s.world.definition.definition.spec.grading?.onFailure !== 'Retry' || (grading.gradeCalls ?? 1) > MAX_GRADE_RETRIES) return;
  const { completedAt: _, ...rest } = grading;
  s.draft.gradingSession = { ...rest, state: 'Collecting', requestedAt: toTime(plus(s.now, s.world.timeouts.gradeRetryBackoff)) };
  restart(s, 'compute_grading', plus(s.now, s.world.timeouts.gradeRetryBackoff));
}

/** A session without a phase waits for its definition: said in the condition Scheduled. */
function explainWaiting(s: Situation): void {
  if (s.draft.phase !== undefined || s.world.definition.state === 'ready') return;
  const { name, version } = s.session.spec.definitionRef;
  const wanted = `LabletDefinition ${name}${version ? ` version ${version}` : ''}`;
  const missing = s.world.definition.state === 'missing';
  const message = missing ? `${wanted} does not exist in this namespace. Create it, and the session goes on.` : `${wanted} is not ready yet: ${s.world.definition.state === 'notReady' ? s.world.definition.message : ''}`;
  setCondition(s.draft, { type: 'Scheduled', status: 'False', reason: missing ? 'DefinitionNotFound' : 'DefinitionNotReady', message }, s.now, s.session.metadata.generation);
}
