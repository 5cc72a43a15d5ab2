/** Generated files prove themselves: what is checked in is what the sources make, or the check says what is not. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { check, difference, write } from '../../../../hack/generate/output.ts';
import type { Generator } from '../../../../hack/generate/output.ts';

let root = '';
const generator = (files: Record<string, string>): Generator => ({ name: 'letters', owns: [{ folder: 'out', extension: '.yaml' }], files: () => new Map(Object.entries(files)) });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'generate-'));
});
afterEach(() => rm(root, { recursive: true }));

test('a missing file is stale, written, and then no longer stale', async () => {
  const generators = [generator({ 'out/a.yaml': 'a: 1\n' })];
  expect(await check(root, generators)).toEqual([{ path: 'out/a.yaml', problem: 'the file is missing' }]);
  await write(root, generators);
  expect(await readFile(join(root, 'out/a.yaml'), 'utf8')).toBe('a: 1\n');
  expect(await check(root, generators)).toEqual([]);
});

test('an edited file is stale, with the line that differs', async () => {
  const generators = [generator({ 'out/a.yaml': 'a: 1\nb: 2\n' })];
  await write(root, generators);
  await writeFile(join(root, 'out/a.yaml'), 'a: 1\nb: 3\n');
  const [stale] = await check(root, generators);
  expect(stale?.problem).toBe('differs from line 2:\n  - b: 3\n  - \n  + b: 2\n  + ');
});

test('a file that no source makes any more is stale, and removed', async () => {
  await write(root, [generator({ 'out/a.yaml': 'a', 'out/b.yaml': 'b' })]);
  await writeFile(join(root, 'out/README.md'), 'mine');
  const fewer = [generator({ 'out/a.yaml': 'a' })];
  expect(await check(root, fewer)).toEqual([{ path: 'out/b.yaml', problem: 'no source makes this file any more (letters)' }]);
  await write(root, fewer);
  await expect(readFile(join(root, 'out/b.yaml'), 'utf8')).rejects.toThrow('ENOENT');
  expect(await readFile(join(root, 'out/README.md'), 'utf8')).toBe('mine');
});

test.each([
  ['equal texts', 'a\n', 'a\n', undefined],
  ['a text that goes on', 'a\n', 'a\nb\n', 'differs from line 2:\n  - \n  + b\n  + '],
  ['a text that was cut', 'a\nb\n', 'a\n', 'differs from line 2:\n  - b\n  - \n  + '],
])('the difference of %s', (_what, present, wanted, expected) => {
  expect(difference(present, wanted)).toBe(expected);
});
