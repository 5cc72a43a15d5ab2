/** The story of one session: where it stands and why, what it went through, what is true of it, and its result. */
import { el, lasting, moment, phaseBadge } from './dom.ts';
import { portrait } from './timeline.ts';
import type { Child } from './dom.ts';
import type { Story } from './messages.ts';

/** Draws the story into `root`, in place of what was there. @param now by the clock of the controller */
export function showStory(root: HTMLElement, story: Story, now: number): void {
  const { row, pipeline } = story;
  root.replaceChildren(
    el('h2', {}, row.key, ' ', phaseBadge(row.phase), row.ending === undefined ? undefined : el('small', {}, `ended: ${row.ending}`)),
    el('p', { class: row.alarm ? 'why alarm' : 'why' }, story.reason === undefined ? undefined : el('b', {}, story.reason), ' ', story.message ?? row.note ?? ''),
    resultOf(story, now) ?? '',
    portrait(row, now),
    factsOf(story, now),
    el('h3', {}, 'Phases'),
    table(['Phase', 'Since', 'For', 'Why', 'Who', 'Row'], story.chapters.map(({ phase, from, to, reason, actor, row: name = '' }) => [
      phaseBadge(phase), moment(from, now), lasting(from, to ?? (row.phase === 'Terminated' ? from : now)), reason, actor, name,
    ])),
    story.isCut ? el('p', { class: 'hint' }, 'Older transitions were dropped from the status; the archive of events has them, if there is one.') : '',
    el('h3', {}, 'Conditions'),
    table(['Condition', 'Status', 'Since', 'Reason', 'Message'], story.conditions.map(({ type, status, since, reason, message }) => [type, status, moment(since, now), reason, message])),
    ...(pipeline ? [
      el('h3', {}, `Steps of ${pipeline.name}, run ${pipeline.attempt}`), pipeline.error === undefined ? '' : el('p', { class: 'alarm' }, pipeline.error),
      table(['Step', 'State', 'Attempts', 'Took', 'Error'], pipeline.steps.map(({ name, state, attempts, from, to, error = '' }) => [name, state, attempts, from === undefined ? '' : lasting(from, to ?? now), error])),
    ] : []),
  );
}

function resultOf({ result, grading }: Story, now: number): HTMLElement | undefined {
  if (result) {
    const { score, maxScore, cutScore, passed, report, at } = result;
    return el('p', { class: `result ${passed ? 'passed' : 'failed'}` }, el('b', {}, passed ? 'Passed' : 'Not passed'), ` with ${score}${maxScore === undefined ? '' : ` of ${maxScore}`}${cutScore === undefined ? '' : ` (${cutScore} needed)`}, `, moment(at, now), ` · ScoreReport ${report}`);
  }
  return grading && el('p', { class: 'result' }, `Grading ${grading.attempt}: ${grading.state}. ${grading.error ?? ''}`);
}

function factsOf(story: Story, now: number): HTMLElement {
  const { row, access } = story;
  const facts: [string, Child][] = [
    ['Definition', row.definition], ['Owner', story.owner], ['Candidate', story.candidate], ['Reservation', story.reservation], ['Created', moment(story.created, now)],
    ['Slot', row.slot ? el('span', {}, moment(row.slot[0], now), ' to ', moment(row.slot[1], now), story.bookedEnd !== undefined && story.bookedEnd !== row.slot[1] ? ' (extended)' : '') : 'as soon as possible'],
    ['Worker', row.worker], ['Lab', story.lab], ['Desired', story.desiredState],
    ['Candidate access', access && el('span', {}, access.state, ...(access.started === undefined ? [] : [' from ', moment(access.started, now)]), ...(access.ended === undefined ? [] : [' to ', moment(access.ended, now)]))],
    ['Runs of instantiate', story.attempts], ['Given back to the queue', story.reschedules || undefined], ['Events not delivered yet', story.undelivered || undefined],
  ];
  return el('dl', {}, ...facts.flatMap(([term, fact]) => (fact === undefined ? [] : [el('dt', {}, term), el('dd', {}, fact)])));
}

function table(titles: readonly string[], rows: readonly (readonly Child[])[]): HTMLElement {
  return el('table', {}, el('thead', {}, el('tr', {}, ...titles.map((title) => el('th', { scope: 'col' }, title)))), el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((cell) => el('td', {}, cell))))));
}
