/** docs/configure.md against the program and the chart: who reads it must find what there is. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readConfig, VARIABLES } from '../../../src/app/config.ts';
import { readTimeouts, TIMEOUTS } from '../../../src/core/timeouts.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(resolve(ROOT, path), 'utf8');
const code = (cell: string | undefined): string | undefined => /^`([^`]+)`$/.exec(cell?.trim() ?? '')?.[1];
const rows = read('docs/configure.md').split('\n').filter((line) => line.startsWith('| `')).map((line) => line.split('|').slice(1, -1));
const variables = rows.filter(([name]) => /^[A-Z0-9_]+$/.test(code(name) ?? '')).map(([name, fallback, value]) => ({ name: code(name) ?? '', fallback: code(fallback), value: code(value) }));

describe('docs/configure.md', () => {
  test('has each variable of the program once, and no other', () => {
    expect(variables.map(({ name }) => name).sort()).toEqual([...VARIABLES].sort());
  });

  // A default that is set makes the same configuration as one that is not; where none is told, there is nothing to set.
  test.each(variables)('tells the default of $name', ({ name, fallback }) => {
    const unset = readConfig({});
    if (fallback !== undefined) expect(readConfig({ [name]: fallback })).toEqual(unset);
    else if (name !== 'TIMEOUTS') expect([undefined, [], {}, new Map()]).toContainEqual((unset as Record<string, unknown>)[name]);
  });

  test('leads to values that the chart has', () => {
    const known = new Set([...read('charts/lablet-controller/README.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, value]) => value));
    expect(variables.filter(({ value }) => value !== undefined && !known.has(value))).toEqual([]);
  });

  test('has each limit of TIMEOUTS with its default', () => {
    const told = rows.filter(([name]) => Object.hasOwn(TIMEOUTS, code(name) ?? '')).flatMap(([a, b, c, d]) => [[a, b], [c, d]]).flatMap(([name, value]) => (code(name) === undefined ? [] : [`${String(code(name))}=${String(code(value))}`]));
    expect(told.map((pair) => pair.split('=')[0]).sort()).toEqual(Object.keys(TIMEOUTS).sort());
    expect(readTimeouts(told.join(','))).toEqual(TIMEOUTS);
  });
});
