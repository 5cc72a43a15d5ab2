/** A command's result: plain data for scripts, and the lines that a person reads. */
import { stringify } from 'yaml';
import { harmless } from './style.ts';
import type { Style } from './style.ts';

export type Format = 'text' | 'json' | 'yaml';

/** What is rendered: the data, the style of the reader's terminal and the instant that durations are told from. */
export type Lines<V> = (view: V, style: Style, now: Date) => readonly string[];

/** @param compact one line of JSON, for a stream of results */
export function rendered<V>(view: V, lines: Lines<V>, { format, style, now, compact = false }: { format: Format; style: Style; now: Date; compact?: boolean }): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(view, undefined, compact ? 0 : 2)}\n`;
    case 'yaml':
      return `${compact ? '---\n' : ''}${stringify(view)}`;
    case 'text':
      return lines(harmless(view), style, now).map((line) => `${line}\n`).join('');
  }
}
