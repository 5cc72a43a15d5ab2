/** ScoreReport: an immutable result that outlives its session (contract §1.5). */
import { z } from 'zod';
import { objectName, rules, semver, sha256, text, time, uuid } from './schema.ts';
import type { KubeObject } from './meta.ts';

export const scoreReportSpec = rules(
  z.object({
    sessionRef: z
      .object({
        namespace: objectName().describe('Namespace of the LabletSession.'),
        name: objectName().describe('Name of the LabletSession.'),
        uid: uuid().describe('uid of the LabletSession.'),
      })
      .describe('The session that was graded.'),
    definition: z
      .object({
        name: objectName().describe('Name of the LabletDefinition.'),
        version: semver().describe('Version that the session used.'),
        sha256: sha256().describe('SHA-256 of its topology.'),
      })
      .describe('What was graded.'),
    candidate: text(256).describe('Id of the candidate.'),
    score: z.number().min(0).describe('Score.'),
    maxScore: z.number().min(0).optional().describe('Highest possible score.'),
    cutScore: z.number().min(0).optional().describe('Score needed to pass.'),
    passed: z.boolean().describe('Passed?'),
    sections: z
      .array(z.object({ name: text(256).describe('Name of the section.'), score: z.number().describe('Score of the section.'), maxScore: z.number().optional().describe('Highest possible score of the section.') }))
      .max(128)
      .optional()
      .describe('Scores by section.'),
    submittedAt: time().describe('When the result came.'),
    reportUrl: text(2048).optional().describe('Where the full report is.'),
    gradingSessionId: uuid().describe('Id of the grading session.'),
    attempt: z.number().int().min(1).describe('Number of the grading of the session, from 1.'),
    supersedes: objectName().optional().describe('The report that this one replaces after a re-grade.'),
    evidence: z.object({ uri: text(1024).describe('Where the evidence is.'), digest: sha256().describe('SHA-256 of its manifest.') }).optional().describe('Evidence that the grade rests on.'),
    sourceEvent: z.object({ source: text(512).describe('CloudEvents source.'), id: text(512).describe('CloudEvents id.') }).optional().describe('The event that brought the result; absent if it was polled.'),
  }),
  { rule: 'self == oldSelf', message: 'a ScoreReport cannot be changed; a re-grade makes a further one' },
  { rule: '!has(self.maxScore) || self.score <= self.maxScore', message: 'score must not be greater than maxScore' },
).describe('The result, immutable.');

export type ScoreReportSpec = z.output<typeof scoreReportSpec>;
export interface ScoreReport extends KubeObject {
  spec: ScoreReportSpec;
}
