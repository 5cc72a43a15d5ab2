/** Pipeline `compute_grading`: the GradingEngine grades the live lab. The result itself is row T15, whoever brings it. */
import { toTime } from '../../../core/time.ts';
import { PermanentStepError, stepDone, stepWait } from './step.ts';
import type { GradingPart, GradingPort } from '../../../clients/grading/port.ts';
import type { Step, StepContext } from './step.ts';

function target(context: StepContext): { engine: GradingPort; sessionId: string; part: string } {
  const { grading } = context.deps.settings;
  const { gradingSessionId, partId } = context.status.gradingSession ?? {};
  if (!grading || gradingSessionId === undefined || partId === undefined) throw new PermanentStepError('the session has no grading session in the GradingEngine');
  return { engine: context.deps.clients.grading(grading), sessionId: gradingSessionId, part: partId };
}

async function readPart(context: StepContext): Promise<GradingPart | undefined> {
  const { engine, sessionId, part } = target(context);
  const view = await engine.session(sessionId, context.call());
  return view.parts.find((candidate) => candidate.id === part);
}

/** The GradingEngine has the part and so its rules. */
export const loadRubric: Step = async (context) => {
  if (!(await readPart(context))) throw new Error('the GradingEngine does not have the part');
  return stepDone();
};

/** Asks for the grade; not again where a result is there already (a crash after the call). */
export const requestGrade: Step = async (context) => {
  const { engine, sessionId, part } = target(context);
  if (!(await readPart(context))?.score) await engine.grade(sessionId, part, context.call());
  const requestedAt = toTime(context.deps.clock.now());
  context.record((draft) => {
    const grading = draft.gradingSession;
    if (!grading) return;
    // A result that was faster than the answer to the call was written in between: it stands.
    const state = grading.state === 'Faulted' || grading.state === 'Submitted' ? grading.state : 'Grading';
    draft.gradingSession = { ...grading, state, requestedAt, gradeCalls: (grading.gradeCalls ?? 0) + 1 };
  });
  return stepDone();
};

/** Waits for the event, and asks now and then: a lost event only delays. */
export const awaitResult: Step = async (context) => {
  const { pollGrading } = context.deps.settings.timeouts;
  const now = context.deps.clock.now().getTime();
  const askAt = new Date(context.status.gradingSession?.requestedAt ?? 0).getTime() + pollGrading;
  if (now < askAt) return stepWait(askAt - now, 'the result comes by event');
  const score = (await readPart(context))?.score;
  if (!score) return stepWait(pollGrading, 'the GradingEngine is still grading');
  const { id = context.session.metadata.uid } = context.status.gradingSession ?? {};
  context.see({
    actor: 'poll',
    event: {
      type: 'grading.session.completed', id: `poll-${id}`, source: 'poll',
      data: { gradingSessionId: id, score: score.score, maxScore: score.maxScore, sections: score.sections.map((section) => ({ name: section.id, score: section.score, maxScore: section.maxScore })) },
    },
  });
  return stepWait(pollGrading, 'the result was found by asking');
};

/** Row T15 records the score in the write that takes the result, whoever brings it: nothing is left for the step. */
export const recordScore: Step = async () => stepDone();
