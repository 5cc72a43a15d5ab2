/** `kubectl lablet timeline`, for people. */
import { clock, relative, span } from '../moments.ts';
import { table } from '../style.ts';
import { stateText } from './event-lines.ts';
import type { Style } from '../style.ts';
import type { Timeline, TimelineEntry } from './timeline.ts';

export function timelineLines(story: Timeline, style: Style, now: Date): string[] {
  const { session, owner, definition, version, phase, worker, slot, score, entries } = story;
  const { paint } = style;
  const facts = [`${definition}${version === undefined ? '' : ` ${version}`}`, `owner ${owner}`, `${phase ?? 'New'}${worker === undefined ? '' : ` on ${worker}`}`];
  return [
    `${paint('strong', session)}  ${facts.join(' · ')}`,
    ...(slot ? [`Slot ${slotText(slot, style, now)}`] : []),
    ...(score ? [`Score ${score.score}${score.maxScore === undefined ? '' : ` of ${score.maxScore}`}, ${score.passed ? paint('good', 'passed') : paint('bad', 'not passed')}`] : []),
    '',
    ...table(['TIME', 'LASTED', 'WHAT', 'STATE', 'DETAIL'], entries.map((entry) => row(entry, style))),
  ];
}

function slotText({ start, end }: NonNullable<Timeline['slot']>, style: Style, now: Date): string {
  if (start === undefined) return end === undefined ? '' : `until ${clock(end, style)}`;
  if (end === undefined) return `from ${clock(start, style)} (${relative(start, now)})`;
  const next = Date.parse(start) > now.getTime() ? `starts ${relative(start, now)}` : Date.parse(end) > now.getTime() ? `ends ${relative(end, now)}` : `ended ${relative(end, now)}`;
  return `${clock(start, style)} to ${clock(end, style)} (${span(Date.parse(end) - Date.parse(start))}), ${next}`;
}

function row({ at, kind, name, seconds, open, state, detail = '' }: TimelineEntry, style: Style): string[] {
  const { paint } = style;
  const lasted = seconds === undefined ? '' : `${seconds === 0 ? '<1s' : span(seconds * 1000)}${open ? '…' : ''}`;
  const line = (what: string, said: string): string[] => [clock(at, style), lasted, what, said, detail];
  switch (kind) {
    case 'Created':
      return line(name, '');
    case 'Phase':
      return line(paint('strong', name), state ?? '');
    case 'Step':
      return line(`  ${name}`, state === 'Failed' ? paint('bad', 'Failed') : (state ?? ''));
    case 'Emitted':
    case 'Received':
      return line(`  ${kind === 'Emitted' ? '→' : '←'} ${name.replace(/^ccm\.lablet\./, '')}`, stateText({ state: state ?? '' }, style));
    case 'Warning':
      return line(`  ${paint('warn', `! ${name}`)}`, '');
  }
}
