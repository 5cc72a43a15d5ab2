/** `kubectl lablet why`, for people. */
import { clock, relative } from '../moments.ts';
import type { Style, Tone } from '../style.ts';
import type { Explanation, Verdict } from './why.ts';

export const TONES: Record<Verdict, Tone> = { Fine: 'good', Waits: 'warn', Trouble: 'bad', Failed: 'bad', Over: 'faint' };

export function whyLines({ session, phase, verdict, summary, findings, deadline }: Explanation, style: Style, now: Date): string[] {
  const { paint } = style;
  const lines = [`${paint('strong', session)}  ${phase ?? 'New'}  ${paint(TONES[verdict], verdict)}`, summary];
  const told = new Set<string>();
  for (const { about, reason, since, message, means, help } of findings) {
    lines.push('', `${paint('strong', reason)} (${about}${since === undefined ? '' : `, since ${clock(since, style)}, ${relative(since, now)}`})`);
    if (message !== undefined) lines.push(`  ${message}`);
    if (means !== undefined) lines.push(`  ${means}`);
    lines.push(...help.filter((step) => !told.has(step)).map((step) => `  ${paint('good', '→')} ${step}`));
    for (const step of help) told.add(step);
  }
  if (deadline) lines.push('', `${clock(deadline.at, style)} (${relative(deadline.at, now)}): ${deadline.what}.`);
  return lines;
}
