/** `kubectl lablet calendar`, drawn for people. */
import { hourMark } from '../moments.ts';
import { table } from '../style.ts';
import type { Style, Tone } from '../style.ts';
import type { Load, LoadHour } from './load.ts';

const WIDTH = 40;

export function loadLines({ hours, capacity, lost, notes }: Load, style: Style): string[] {
  const { paint, timeZone } = style;
  const most = Math.max(1, ...hours.map(({ sessions, waiting }) => sessions + waiting));
  const rows = hours.map((hour): string[] => [
    hourMark(hour.at, style),
    ...(capacity ? [bar(hour, capacity, style), `${Math.round(loadOf(hour) * 100)}%`, hour.scarcest ?? ''] : [countBar(hour, most, style)]),
    String(hour.sessions), hour.waiting === 0 ? '' : paint('warn', String(hour.waiting)), ...(capacity ? [String(hour.hosts ?? 0)] : []),
  ]);
  return [
    `Hours in ${timeZone}; a session holds its host from bootLeadTime before its start to 50 min after its end.`,
    ...(capacity ? [`${capacity.workers} worker(s) in service, ${capacity.mayBeMade} more may be made.  █ booked on workers  ▓ booked on workers to be made  ░ free  · free on workers to be made`] : []),
    '',
    ...table(['HOUR', 'LOAD', ...(capacity ? ['', 'SCARCEST'] : []), 'SESSIONS', 'WAIT', ...(capacity ? ['HOSTS'] : [])], rows),
    ...(lost === 0 ? [] : ['', paint('bad', `${lost} booking(s) were promised capacity that is gone: kubectl lablet status`)]),
    ...notes.flatMap((note) => ['', paint('faint', note)]),
  ];
}

const loadOf = ({ existing = 0, toBeMade = 0 }: LoadHour): number => existing + toBeMade;

function toneOf(load: number): Tone {
  return load >= 0.9 ? 'bad' : load >= 0.7 ? 'warn' : 'good';
}

/** Shares of all that may exist: what is booked on either sort of host, then what is free on it. */
function bar(hour: LoadHour, { existingShare }: NonNullable<Load['capacity']>, { paint }: Style): string {
  const { existing = 0, toBeMade = 0, scarcest } = hour;
  const have = cells(scarcest === undefined ? 0 : (existingShare[scarcest] ?? 0));
  const [on, off] = [Math.min(have, cellsOf(existing, have)), cellsOf(toBeMade, WIDTH - have)];
  return `${paint(toneOf(loadOf(hour)), '█'.repeat(on))}${paint('faint', '░'.repeat(have - on))}${paint('warn', '▓'.repeat(off))}${paint('faint', '·'.repeat(WIDTH - have - off))}`;
}

const cells = (share: number): number => Math.min(WIDTH, Math.round(share * WIDTH));
/** What is booked at all shows, and only what is full fills its part. */
const cellsOf = (share: number, part: number): number => (share === 0 || part === 0 ? 0 : Math.min(part, Math.max(1, cells(share))));

function countBar({ sessions, waiting }: LoadHour, most: number, { paint }: Style): string {
  const [held, asked] = [Math.ceil((sessions / most) * WIDTH), Math.floor((waiting / most) * WIDTH)];
  return `${paint('good', '█'.repeat(held))}${paint('warn', '▒'.repeat(asked))}`;
}
