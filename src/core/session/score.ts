/** From a grading result to the ScoreReport that will never change (contract §1.5, §10.2). */
import { derivedId } from '../outbox.ts';
import { toTime } from '../time.ts';
import { without } from '../without.ts';
import { condition, emit, nowText, sessionId } from './draft.ts';
import { candidateId } from './world.ts';
import { definitionOf, result } from './situation.ts';
import type { PinnedDefinition } from '../definition.ts';
import type { Because } from './row.ts';
import type { ReportToCreate, Seen, Situation } from './situation.ts';

/** Name of the report of an attempt: derived from the session's uid, so that a second try finds the first. */
const scoreReportName = (sessionName: string, uid: string, attempt: number): string => `${sessionName.slice(0, 40).replace(/[-.]+$/, '')}-${uid.slice(0, 8)}-${attempt}`;

/** The report for a result. `passed`: the event's word, else score ≥ cut score. */
function reportFor(s: Situation, seen: Seen<'grading.session.completed'>, definition: PinnedDefinition): ReportToCreate {
  const { metadata } = s.session;
  const { data } = seen.event;
  const attempt = s.draft.gradingSession?.attempt ?? 1;
  const name = scoreReportName(metadata.name, metadata.uid, attempt);
  const stored = s.world.existingReport;
  if (stored?.sessionRef.uid === metadata.uid && stored.attempt === attempt) return { name, spec: stored };
  const cutScore = data.cutScore ?? definition.spec.grading?.cutScore;
  const byScore = cutScore === undefined ? undefined : data.score >= cutScore;
  const passed = data.passed ?? byScore ?? false;
  if (data.passed !== undefined && byScore !== undefined && data.passed !== byScore) {
    s.notices.push({ type: 'Warning', reason: 'ScoreDisagrees', message: `The result says passed=${data.passed}, but score ${data.score} against cut score ${cutScore ?? 0} says ${byScore}. The result's word is kept.` });
  }
  return {
    name,
    spec: {
      sessionRef: { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid },
      definition: { name: definition.name, version: definition.version, sha256: definition.sha256 },
      candidate: candidateId(s.session),
      score: data.score,
      ...(data.maxScore === undefined ? {} : { maxScore: data.maxScore }),
      ...(cutScore === undefined ? {} : { cutScore }),
      passed,
      ...(data.sections ? { sections: data.sections } : {}),
      submittedAt: toTime(s.now),
      ...(data.reportUrl ? { reportUrl: data.reportUrl } : {}),
      gradingSessionId: s.draft.gradingSession?.id ?? derivedId(metadata.uid, 'GradingSession', attempt),
      attempt,
      ...(s.draft.scoreReport && s.draft.scoreReport.name !== name ? { supersedes: s.draft.scoreReport.name } : {}),
      ...(s.draft.evidence ? { evidence: s.draft.evidence } : {}),
      ...(seen.actor === 'poll' ? {} : { sourceEvent: { source: seen.event.source, id: seen.event.id } }),
    },
  };
}

/**
 * Stores the result that was seen in the status: the ScoreReport itself is created before this is written.
 * @returns false if there is none, or the definition version that the report names cannot be read now
 */
export function recordScore(s: Situation, because: Because): boolean {
  const event = result(s);
  const definition = definitionOf(s);
  if (!event || !definition) return false;
  const report = reportFor(s, event, definition);
  const { score, maxScore, cutScore, passed, submittedAt, attempt } = report.spec;
  const id = derivedId(sessionId(s), 'ScoreReport', attempt);
  const highest = maxScore === undefined ? {} : { maxScore };
  s.reports.push(report);
  s.draft.scoreReport = { name: report.name, id, score, passed, submittedAt, ...highest, ...(cutScore === undefined ? {} : { cutScore }) };
  if (s.draft.gradingSession) {
    s.draft.gradingSession = { ...without(s.draft.gradingSession, 'error'), state: 'Submitted', completedAt: nowText(s) };
  }
  condition(s, 'Graded', 'True', { reason: passed ? 'Passed' : 'NotPassed', message: because.message });
  emit(s, because, 'ccm.lablet.score_report.created', { score_report_id: id, lablet_session_id: sessionId(s), score, passed });
  emit(s, because, 'ccm.lablet.session.graded', { session_id: sessionId(s), score_report_id: id, score, passed, ...(maxScore === undefined ? {} : { max_score: maxScore }) });
  return true;
}
