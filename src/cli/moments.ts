/** Instants and spans for people. UTC unless the reader asks for another zone: manifests, conditions and logs speak UTC too. */
import { formatDuration } from '../core/duration.ts';
import type { Style } from './style.ts';

const DAY = 86_400_000;
const MINUTE = 60_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/** `2026-11-23 10:00:00Z`, or with the offset of the zone: `2026-11-23 11:00:00+01:00`. */
export function clock(at: string | Date, { timeZone }: Pick<Style, 'timeZone'>): string {
  const { year, month, day, hour, minute, second, offset } = partsOf(new Date(at), timeZone);
  return `${year}-${month}-${day} ${hour}:${minute}:${second}${offset}`;
}

/** `Mon 23 Nov 10:00`, for headings of hours. */
export function hourMark(at: string | Date, { timeZone }: Pick<Style, 'timeZone'>): string {
  const { weekday, day, monthName, hour, minute } = partsOf(new Date(at), timeZone);
  return `${weekday} ${day} ${monthName} ${hour}:${minute}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function partsOf(at: Date, timeZone: string) {
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-GB', {
    timeZone, year: 'numeric', month: '2-digit', day: '2-digit', weekday: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'longOffset',
  });
  formats.set(timeZone, format);
  const found = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const part = (name: string): string => found[name] ?? '';
  return {
    year: part('year'), month: part('month'), day: part('day'), hour: part('hour'), minute: part('minute'), second: part('second'), weekday: part('weekday'),
    monthName: MONTHS[Number(part('month')) - 1] ?? '',
    offset: timeZone === 'UTC' ? 'Z' : part('timeZoneName').replace('GMT', ''),
  };
}

/** `42s`, `12m`, `3h5m`, `2d4h`: as exact as a glance needs. */
export function span(ms: number): string {
  const length = Math.abs(ms);
  if (length >= DAY) return `${Math.floor(length / DAY)}d${hoursOnly(length % DAY)}`;
  if (length >= 10 * MINUTE) return formatDuration(Math.floor(length / MINUTE) * MINUTE);
  return formatDuration(length < 1000 ? length : Math.floor(length / 1000) * 1000);
}

const hoursOnly = (ms: number): string => (ms >= 3_600_000 ? `${Math.floor(ms / 3_600_000)}h` : '');

/** `in 25m`, `12m ago`, `now`. */
export function relative(at: string | Date, now: Date): string {
  const ms = new Date(at).getTime() - now.getTime();
  if (Math.abs(ms) < 1000) return 'now';
  return ms > 0 ? `in ${span(ms)}` : `${span(ms)} ago`;
}

/** Seconds between two times, for those who compute with them. */
export const secondsBetween = (from: string | Date, to: string | Date): number => Math.round((new Date(to).getTime() - new Date(from).getTime()) / 1000);
