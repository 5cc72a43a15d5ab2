import type { GradingRule } from '../common/script.ts';

/** What a part shows when it is graded. It has no cut score: that is part of the rule set. */
export interface ScoreReport {
  readonly score: number;
  readonly maxScore: number;
  readonly sections: readonly { readonly id: string; readonly score: number; readonly maxScore: number; readonly items: readonly never[] }[];
}

export interface Judged {
  readonly report: ScoreReport;
  readonly cutScore: number | undefined;
  readonly passed: boolean;
}

/** The result that a rule leads to. The rule's cut score counts before the one of the rule set. */
export function judge(rule: GradingRule, ruleSetCutScore: number | undefined): Judged {
  const cutScore = rule.cutScore ?? ruleSetCutScore;
  const sections = rule.sections ?? [{ name: 'Lab', score: rule.score, maxScore: rule.maxScore }];
  return {
    report: { score: rule.score, maxScore: rule.maxScore, sections: sections.map(({ name, score, maxScore }) => ({ id: name, score, maxScore, items: [] })) },
    cutScore,
    passed: rule.passed ?? rule.score >= (cutScore ?? 0.6 * rule.maxScore),
  };
}

/** The data of `grading.session.completed`, in one of the two shapes that are in use. */
export function completedData({ report, cutScore, passed }: Judged, shape: 'flat' | 'nested'): Record<string, unknown> {
  const cut = cutScore === undefined ? {} : { cut_score: cutScore };
  if (shape === 'nested') {
    const breakdown = report.sections.map(({ id, score, maxScore }) => ({ criterion: id, points: score, max_points: maxScore }));
    return { score: { total: report.score, max: report.maxScore, breakdown }, passed, ...cut };
  }
  const sections = report.sections.map(({ id, score, maxScore }) => ({ name: id, score, max_score: maxScore }));
  return { score: report.score, max_score: report.maxScore, passed, sections, ...cut };
}

/** The data of `grading.session.failed`. */
export function failedData(reason: string): Record<string, unknown> {
  return { error: reason };
}
