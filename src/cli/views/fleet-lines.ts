/** `kubectl lablet status`, for people. */
import { parseQuantity } from '../../core/quantity.ts';
import { clock, relative } from '../moments.ts';
import { table } from '../style.ts';
import { TONES } from './why-lines.ts';
import type { Style, Tone } from '../style.ts';
import type { Attention, FleetStatus, WorkerRow } from './fleet.ts';

const SHOWN = 20;
const PHASE_TONE: Readonly<Record<string, Tone>> = { Running: 'good', Failed: 'bad', Draining: 'warn', Stopped: 'faint', Terminated: 'faint' };

export function fleetLines({ namespace, workers, sessions, next, attention, notes }: FleetStatus, style: Style, now: Date): string[] {
  const { paint } = style;
  const total = Object.values(sessions).reduce((sum, count) => sum + count, 0);
  const shown = grouped(attention);
  const lines: string[] = [];
  if (workers) lines.push(paint('strong', 'Workers'), ...(workers.length === 0 ? ['There is no worker.'] : table(['NAME', 'PHASE', 'CML', 'SESSIONS', 'CPU', 'MEMORY', 'STORAGE', 'NODES', 'PORTS'], workers.map((row) => workerLine(row, style)))), '');
  lines.push(
    `${paint('strong', 'Sessions')} in ${namespace === undefined ? 'all namespaces' : `namespace ${namespace}`}: ${total}`,
    ...(total === 0 ? [] : [Object.entries(sessions).map(([phase, count]) => `${count} ${phase}`).join(' · ')]),
    ...next.map(({ session, start, worker }, index) => `${index === 0 ? 'Next' : '    '} ${session} at ${clock(start, style)} (${relative(start, now)})${worker === undefined ? '' : ` on ${worker}`}`),
    '',
    attention.length === 0 ? paint('good', 'Nothing needs attention.') : paint('strong', 'Needs attention'),
    ...(attention.length === 0 ? [] : table(['WHAT', '', 'REASON', 'SINCE', 'MESSAGE'], shown.slice(0, SHOWN).map(({ about, verdict, reason, message, since }) => [about, paint(TONES[verdict], verdict), reason, since === undefined ? '' : relative(since, now), message]))),
    ...(shown.length > SHOWN ? [`… and ${shown.length - SHOWN} more (-o json lists all)`] : []),
    ...(attention.some(({ about }) => about.startsWith('session ')) ? ['What would help: kubectl lablet why SESSION -n NAMESPACE'] : []),
    ...notes.flatMap((note) => ['', paint('faint', note)]),
  );
  return lines;
}

function workerLine({ name, phase, cmlVersion = '', sessions, capacity }: WorkerRow, { paint }: Style): string[] {
  const tone = PHASE_TONE[phase];
  const used = (part: keyof NonNullable<WorkerRow['capacity']>): string => (capacity ? `${amount(part, capacity[part].allocated)}/${amount(part, capacity[part].declared)}` : '');
  return [name, tone === undefined ? phase : paint(tone, phase), cmlVersion, String(sessions), used('cpu'), used('memory'), used('storage'), used('nodes'), used('ports')];
}

/** Those of which the very same is to be said share a line: it has the newest of them. */
function grouped(attention: FleetStatus['attention']): FleetStatus['attention'] {
  const groups = new Map<string, Attention[]>();
  for (const one of attention) {
    const key = JSON.stringify([one.about.split(' ')[0], one.verdict, one.reason, one.message]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].flatMap(([first, ...others]) => (first ? [{ ...first, about: others.length === 0 ? first.about : `${first.about} and ${others.length} more` }] : []));
}

const GI = 2 ** 30;

/** Bytes in Gi, so that both sides of a slash can be compared at a glance. */
function amount(part: string, quantity: string): string {
  return part === 'memory' || part === 'storage' ? `${Math.round(parseQuantity(quantity) / GI)}Gi` : quantity;
}
