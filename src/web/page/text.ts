/** Times, durations and addresses as text. Pure, but for the zone and the language of whoever runs it. */

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });

/** Local `10:42:07`; with the day where it is not that of `now`. */
export function localTime(at: number, now: number): string {
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  return isToday ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

/** Local `10:00`. */
export const localHour = (at: number): string => hour.format(at);

/** `2026-11-23 10:42:07 UTC`. */
export const utcTime = (at: number): string => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** `1 h 05 min`, `3 min 20 s`, `12 s`; what is shorter than a second is `< 1 s`. */
export function duration(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, '0')} min`;
  if (minutes > 0) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return seconds > 0 ? `${seconds} s` : '< 1 s';
}

/** The hash under which a session's story is. */
export const storyHref = (key: string): string => `#/session/${key.split('/').map(encodeURIComponent).join('/')}`;

/** What a hash asks for; anything unknown is the fleet. */
export function routeOf(hash: string): { view: 'fleet' } | { view: 'timeline' } | { view: 'story'; key: string } {
  const [view, namespace, name] = hash.replace(/^#\//, '').split('/').map(decoded);
  if (view === 'session' && namespace && name) return { view: 'story', key: `${namespace}/${name}` };
  return { view: view === 'timeline' ? 'timeline' : 'fleet' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

/** The local day of `now`: from midnight to midnight, be it 23, 24 or 25 hours. */
export function dayOf(now: number): { from: number; to: number } {
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const next = new Date(midnight);
  next.setDate(next.getDate() + 1);
  return { from: midnight.getTime(), to: next.getTime() };
}
