/** From a grading result to the ScoreReport that will never change (domain §1.5, §10.2). */
import { candidateId } from './world.ts';
import { toTime } from '../time.ts';
import type { ReportToCreate, Seen, Situation } from './situation.ts';

/** Name of the report of an attempt: derived from the session's uid, so that a second try finds the first. */
export const scoreReportName = (sessionName: string, uid: string, attempt: number): string => `${sessionName.slice(0, 40).replace(/[-.]+$/, '')}-${uid.slice(0, 8)}-${attempt}`;

/** The report for a result; undefined while the definition cannot be read. `passed`: the event's word, else score ≥ cut score. */
export function reportFor(s: Situation, seen: Seen<'grading.session.completed'>): ReportToCreate | undefined {
  if (s.world.definition.state !== 'ready') return undefined;
  const { definition } = s.world.definition;
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
      gradingSessionId: s.draft.gradingSession?.id ?? data.gradingSessionId ?? metadata.uid,
      attempt,
      ...(s.draft.scoreReport && s.draft.scoreReport.name !== name ? { supersedes: s.draft.scoreReport.name } : {}),
      ...(s.draft.evidence ? { evidence: s.draft.evidence } : {}),
      ...(seen.actor === 'poll' ? {} : { sourceEvent: { source: seen.event.source, id: seen.event.id } }),
    },
  };
}
