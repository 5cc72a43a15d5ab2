/** How text looks in a terminal: colours, tables, and strings of others made harmless. */
import { styleText } from 'node:util';
import Table from 'cli-table3';

export type Tone = 'good' | 'warn' | 'bad' | 'faint' | 'strong';

/** All that rendering asks about the terminal and its reader. */
export interface Style {
  paint: (tone: Tone, text: string) => string;
  /** IANA name of the zone in which times are shown. */
  readonly timeZone: string;
}

const FORMATS = { good: 'green', warn: 'yellow', bad: 'red', faint: 'dim', strong: 'bold' } as const;

export const colours: Style['paint'] = (tone, text) => (text === '' ? '' : styleText(FORMATS[tone], text, { validateStream: false }));
export const noColours: Style['paint'] = (_, text) => text;

/** What a terminal would obey instead of show: control characters, and those that turn the direction of writing. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g;

/** A copy of plain data in which no string can steer the terminal: owners, messages and event ids are written by others. */
export function harmless<T>(data: T): T {
  if (typeof data === 'string') return data.replace(UNSAFE, ' ') as T;
  if (Array.isArray(data)) return data.map((item: unknown) => harmless(item)) as T;
  if (data === null || typeof data !== 'object') return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [harmless(key), harmless(value as unknown)])) as T;
}

const NO_LINES = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'].map((part) => [part, '']),
);

/** A table as kubectl draws it: columns and no lines. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const drawn = new Table({ head: [...head], chars: NO_LINES, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 3 } });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString().split('\n').map((line) => line.trimEnd());
}
