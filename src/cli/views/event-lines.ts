/** `kubectl lablet events`, for people. */
import { clock, relative } from '../moments.ts';
import { table } from '../style.ts';
import type { Style, Tone } from '../style.ts';
import type { SessionEvent } from './cloudevents.ts';

const TONE: Readonly<Record<string, Tone>> = { Waiting: 'warn', Deferred: 'warn', NotRecorded: 'faint', Ignored: 'faint', Duplicate: 'faint' };

const arrow = ({ direction }: Pick<SessionEvent, 'direction'>): string => (direction === 'Emitted' ? '→' : '←');

export function stateText({ state }: Pick<SessionEvent, 'state'>, { paint }: Style): string {
  const tone = TONE[state];
  return tone === undefined ? state : paint(tone, state);
}

export function eventLines(events: readonly SessionEvent[], style: Style, now: Date): string[] {
  if (events.length === 0) return ['No events yet.'];
  return table(['TIME', 'AGE', 'SESSION', '', 'TYPE', 'SEQ', 'STATE', 'ID'], events.map((event) => [
    clock(event.at, style), relative(event.at, now), event.session, arrow(event), event.type, event.sequence === undefined ? '' : String(event.sequence), stateText(event, style), event.id ?? '',
  ]));
}

/** One line for each, as they come. */
export const followLines = (event: SessionEvent, style: Style): string[] => [
  [clock(event.at, style), event.session, arrow(event), event.type, ...(event.sequence === undefined ? [] : [`#${event.sequence}`]), stateText(event, style), ...(event.causedBy === undefined ? [] : [`caused by ${event.causedBy}`])].join('  '),
];
