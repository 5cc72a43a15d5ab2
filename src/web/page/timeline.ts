/** The timeline: a row for each worker, a bar for each session, drawn only where it is on the screen; and the same as a table. */
import { el, keep, moment, phaseBadge, svg } from './dom.ts';
import { barOf, compare } from './layout.ts';
import { localHour, localTime, storyHref } from './text.ts';
import type { Bar, Track, Window } from './layout.ts';
import type { SessionRow } from './messages.ts';

const LANE = 20;
const [HOUR, STEP] = [3_600_000, 100];

export interface TimelineScreen {
  show(tracks: readonly Track[], sessions: readonly SessionRow[], window: Window, now: number): void;
}

/** What one row of the picture is drawn from; the moment is rounded, so that a row is drawn anew only when it has changed. */
interface Line {
  readonly track: Track;
  readonly window: Window;
  readonly now: number;
}

/**
 * Builds the view in `root`.
 * @param onZoom the reader wants the whole day, or some hours around now
 */
export function timelineScreen(root: HTMLElement, onZoom: (around: 'day' | 'now') => void): TimelineScreen {
  let [limit, last] = [STEP, undefined as Parameters<TimelineScreen['show']> | undefined];
  const zoom = el('fieldset', { class: 'zoom' }, el('legend', {}, 'Show'), ...(['day', 'now'] as const).map((value) => {
    const input = el('input', { type: 'radio', name: 'zoom', value, checked: value === 'day' ? true : undefined });
    input.addEventListener('change', () => onZoom(value));
    return el('label', {}, input, value === 'day' ? 'the whole day' : 'six hours around now');
  }));
  const legend = el('ul', { class: 'phases', 'aria-label': 'Colours' }, ...['Scheduled', 'Instantiating', 'Ready', 'Running', 'Collecting', 'Grading', 'Stopping'].map((phase) => el('li', {}, phaseBadge(phase))), el('li', {}, el('span', { class: 'badge booked' }, 'booked')));
  const axis = el('td');
  const lines = el('tbody');
  const rows = el('tbody');
  const more = el('button', { type: 'button' });
  more.addEventListener('click', () => {
    limit += STEP;
    if (last) show(...last);
  });
  const head = el('tr', {}, ...['Session', 'Phase', 'Worker', 'Definition', 'From', 'To', 'Note'].map((title) => el('th', { scope: 'col' }, title)));
  root.replaceChildren(
    el('h2', { id: 'timeline-title' }, 'Today by worker'), el('div', { class: 'controls' }, zoom, legend),
    el('table', { class: 'timeline', 'aria-labelledby': 'timeline-title' }, el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Worker'), axis)), lines),
    el('h2', { id: 'sessions-title' }, 'Sessions of today'), el('table', { 'aria-labelledby': 'sessions-title' }, el('thead', {}, head), rows), more,
  );

  const pictures = new WeakMap<Element, Line>();
  const onScreen = new Set<string>();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const line = pictures.get(target);
      if (!line || !target.isConnected) continue;
      if (isIntersecting) onScreen.add(nameOf(line));
      else onScreen.delete(nameOf(line));
      target.replaceChildren(...(isIntersecting ? [picture(line)] : []));
    }
  }, { rootMargin: '300px' });

  function drawLine(line: Line): HTMLElement {
    const cell = el('td', {}, onScreen.has(nameOf(line)) ? picture(line) : undefined);
    cell.style.height = `${heightOf(line)}px`;
    pictures.set(cell, line);
    watcher.observe(cell);
    return el('tr', {}, el('th', { scope: 'row' }, nameOf(line)), cell);
  }

  function show(tracks: readonly Track[], sessions: readonly SessionRow[], window: Window, now: number): void {
    last = [tracks, sessions, window, now];
    keep(axis, [{ window, now }], () => 'axis', ({ window: span, now: at }) => hours(span, at));
    keep(lines, tracks.map((track): Line => ({ track, window, now })), nameOf, drawLine);
    const listed = sessions.toSorted((a, b) => beginOf(a) - beginOf(b) || compare(a.key, b.key));
    keep(rows, listed.slice(0, limit), ({ key }) => key, (row) => sessionLine(row, now));
    more.hidden = listed.length <= limit;
    more.textContent = `Show more of ${listed.length} sessions`;
  }
  return { show };
}

const nameOf = ({ track }: Line): string => track.worker ?? 'no worker';
const heightOf = ({ track }: Line): number => Math.max(1, track.lanes.length) * LANE + 6;
const percent = (at: number, { from, to }: Window): number => ((at - from) / (to - from)) * 100;
const clipped = (part: Window, window: Window): Window => ({ from: Math.max(part.from, window.from), to: Math.min(part.to, window.to) });

/** One session alone, from its first part or the begin of its slot to the end. Its story begins with it. */
export function portrait(row: SessionRow, now: number): Element {
  const bar = barOf(row, now);
  const spare = Math.max(bar.to - bar.from, HOUR / 6) / 50;
  const window = { from: bar.from - spare, to: bar.to + spare };
  return svg('svg', { width: '100%', height: LANE + 22, 'aria-hidden': 'true' }, svg('g', { class: 'bar' }, ...shapes(bar, window, 2)),
    svg('text', { class: 'quiet', x: extent(bar, window).x, y: LANE + 16 }, localHour(bar.from)), svg('text', { class: 'quiet', x: '98%', y: LANE + 16, 'text-anchor': 'end' }, localHour(bar.to)), nowLine(window, now));
}

/** Place and width in the window. Percentages, so that nothing is drawn anew when the window of the browser changes. */
function extent(part: Window, window: Window): { x: string; width: string } {
  const { from, to } = clipped(part, window);
  const [left, right] = [percent(from, window), percent(to, window)];
  return { x: `${left.toFixed(3)}%`, width: `${Math.max(0, right - left).toFixed(3)}%` };
}

function hours(window: Window, now: number): Element {
  const every = window.to - window.from > 12 * HOUR ? 2 * HOUR : HOUR;
  const marks: Element[] = [];
  for (let at = window.from; at < window.to; at += every) marks.push(svg('text', { x: `${percent(at, window).toFixed(3)}%`, y: 14, dx: 2 }, localHour(at)));
  return svg('svg', { class: 'axis', width: '100%', height: 20, 'aria-hidden': 'true' }, ...marks, nowLine(window, now));
}

function nowLine(window: Window, now: number): Element | undefined {
  if (now < window.from || now >= window.to) return undefined;
  const x = `${percent(now, window).toFixed(3)}%`;
  return svg('line', { class: 'now', x1: x, x2: x, y1: 0, y2: '100%' });
}

function picture(line: Line): Element {
  const { track, window, now } = line;
  const bars = track.lanes.flatMap((lane, index) => lane.filter(({ from, to }) => from < window.to && to >= window.from).map((bar) => barLink(bar, window, index * LANE + 3)));
  return svg('svg', { width: '100%', height: heightOf(line) }, ...bars, nowLine(window, now));
}

function barLink(bar: Bar, window: Window, y: number): Element {
  const { row, slot } = bar;
  const label = `${row.key}: ${row.phase}${slot ? `, booked ${localHour(slot.from)} to ${localHour(slot.to)}` : ''}${row.note === undefined ? '' : `. ${row.note}`}`;
  return svg('a', { href: storyHref(row.key), 'aria-label': label, class: row.alarm ? 'bar alarm' : 'bar' },
    svg('title', {}, label),
    // Wide enough to be hit, however short it was.
    svg('rect', { class: 'hit', ...extent(bar, window), y, height: LANE - 2 }),
    ...shapes(bar, window, y),
    // A nested picture clips the name to its bar.
    svg('svg', { ...extent(bar, window), y, height: LANE - 2 }, svg('text', { x: 4, y: 13 }, row.key.slice(row.key.indexOf('/') + 1))));
}

/** The outline of what was booked, and what was. */
function shapes({ slot, parts }: Bar, window: Window, y: number): Element[] {
  const was = parts.filter(({ from, to }) => from < window.to && to >= window.from).map((part) => svg('rect', { class: `fill-${part.phase}`, ...extent(part, window), y: y + 3, height: LANE - 8 }, svg('title', {}, part.phase)));
  return [...(slot ? [svg('rect', { class: 'slot', ...extent(slot, window), y: y + 1, height: LANE - 4, rx: 3 })] : []), ...was];
}

const beginOf = ({ slot, spans }: SessionRow): number => slot?.[0] ?? spans[0]?.[1] ?? 0;

function sessionLine(row: SessionRow, now: number): HTMLElement {
  const { key, phase, worker = '', definition, slot, note = '', alarm } = row;
  return el('tr', { class: alarm ? 'alarm' : undefined },
    el('th', { scope: 'row' }, el('a', { href: storyHref(key) }, key)), el('td', {}, phaseBadge(phase)), el('td', {}, worker), el('td', {}, definition),
    el('td', {}, slot ? moment(slot[0], now) : `as soon as possible, since ${localTime(beginOf(row), now)}`), el('td', {}, slot ? moment(slot[1], now) : ''), el('td', { class: 'note' }, note));
}
