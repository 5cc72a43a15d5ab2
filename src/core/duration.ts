/** Kubernetes duration strings as milliseconds (`90m`, `1h30m`, `20s`). */

const UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration string. Throws RangeError for text that the CRD's pattern refuses as well. */
export function parseDuration(text: string): number {
  let total = 0;
  let rest = text;
  while (rest !== '') {
    const match = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)/.exec(rest);
    if (!match) throw new RangeError(`not a duration: "${text.slice(0, 40)}" (examples: 90m, 1h30m, 20s)`);
    total += Number(match[1]) * (UNIT[match[2] ?? ''] ?? 0);
    rest = rest.slice(match[0].length);
  }
  if (text === '') throw new RangeError('a duration must not be empty (examples: 90m, 1h30m, 20s)');
  return total;
}

/** Milliseconds as people read them: `1h30m`, `45s`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  let seconds = Math.round(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  seconds -= hours * 3600;
  const minutes = Math.floor(seconds / 60);
  seconds -= minutes * 60;
  return `${hours ? `${hours}h` : ''}${minutes ? `${minutes}m` : ''}${seconds || (!hours && !minutes) ? `${seconds}s` : ''}`;
}
