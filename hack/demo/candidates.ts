/** Who sits the lab of config/samples, how each of them does, and so what has to come out. */
import type { ScriptInput } from '../sim/common/script.ts';

/** How a session of the samples has to end. */
export interface Expected {
  /** Name of the LabletSession and id of the candidate. */
  readonly session: string;
  /** Passed and NotPassed are graded and archived; NoShow is terminated without a grade. */
  readonly ending: 'Passed' | 'NotPassed' | 'NoShow';
  /** Score of the ScoreReport; absent: there must be none. */
  readonly score?: number;
}

export const NAMESPACE = 'exams';

/** Ada passes, Grace fails, and Linus never shows up. */
export const EXPECTED: readonly Expected[] = [
  { session: 'ada', ending: 'Passed', score: 87 },
  { session: 'grace', ending: 'NotPassed', score: 41 },
  { session: 'linus', ending: 'NoShow' },
];

/** The same for the simulators, which play the candidates and the grader; everybody else passes. */
export const SCRIPT: ScriptInput = {
  lds: [
    { candidate: 'linus', noShow: true },
    { candidate: '*', startAfter: '2s', endAfter: '4s' },
  ],
  grading: [
    { candidate: 'grace', score: 41, maxScore: 100, cutScore: 60, after: '2s' },
    { candidate: '*', score: 87, maxScore: 100, cutScore: 60, after: '2s' },
  ],
};
