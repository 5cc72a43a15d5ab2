/** Errors, times and strings of others, as a person meets them in a terminal. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { apiError, ConfigurationError, transportError } from '../../../src/kube/errors.ts';
import { CliError, EXIT, failureOf } from '../../../src/cli/errors.ts';
import { clock, relative, span } from '../../../src/cli/moments.ts';
import { nearestNames } from '../../../src/cli/nearest.ts';
import { colours, harmless, table } from '../../../src/cli/style.ts';
import { program } from '../../../src/cli/program.ts';
import { rendered } from '../../../src/cli/view.ts';

const forbidden = (message: string) => apiError(403, { reason: 'Forbidden', message }, 'GET /apis/x');

describe('an error says what to do', () => {
  test.each<[string, Error, number, string]>([
    ['a write without the role edit', forbidden('labletsessions.lablet.dev "ada" is forbidden: User "viv" cannot patch resource "labletsessions" in API group "lablet.dev" in the namespace "exams"'), 4,
      'Not allowed: viv may not patch labletsessions in namespace exams. It takes the role edit; an administrator grants it with\n  kubectl create rolebinding NAME -n exams --clusterrole=edit --user=viv'],
    ['a drain without the role admin', forbidden('workers.lablet.dev "w" is forbidden: User "ed" cannot patch resource "workers" in API group "lablet.dev" at the cluster scope'), 4,
      'Not allowed: ed may not patch workers of the whole cluster. It takes the role admin; an administrator grants it with\n  kubectl create clusterrolebinding NAME --clusterrole=lablet-admin --user=ed'],
    ['-A without a role in the whole cluster', forbidden('labletsessions.lablet.dev is forbidden: User "ed" cannot list resource "labletsessions" in API group "lablet.dev" at the cluster scope'), 4,
      'Not allowed: ed may not list labletsessions of the whole cluster. It takes the role view; an administrator grants it with\n  kubectl create clusterrolebinding NAME --clusterrole=lablet-view --user=ed\nOr leave out -A and name your namespace with -n.'],
    ['a quota', forbidden('exceeded quota'), 4, 'Not allowed: exceeded quota'],
    ['credentials that are no longer good', apiError(401, { reason: 'Unauthorized' }, 'GET /x'), 4, 'The API server does not accept your credentials. Log in again, or choose another context with --context.'],
    ['a cluster without our kinds', apiError(404, '404 page not found', 'GET /x'), 3, 'This cluster does not know the kinds of lablet.dev: install lablet-controller in it, or choose another cluster with --context.'],
    ['an object that is gone meanwhile', apiError(404, { reason: 'NotFound', message: 'not found' }, 'PATCH /x'), 1, 'The object was replaced, changed or deleted meanwhile. Look at it again, and repeat the command.'],
    ['an object that validation refuses', apiError(422, { reason: 'Invalid', message: 'timeslot.end can only be moved later' }, 'PATCH /x'), 6, 'The API server refuses it: timeslot.end can only be moved later'],
    ['a server that is away', transportError(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), 'GET /x'), 5,
      'The API server https://k does not answer (ECONNREFUSED: connect ECONNREFUSED). Check your network and `kubectl cluster-info`, or choose another cluster with --context.'],
    ['a server in trouble', apiError(503, { message: 'etcd is away' }, 'GET /x'), 5, 'The API server https://k cannot answer now (etcd is away). Try again in a moment.'],
    ['a kubeconfig without a context', new ConfigurationError('there is no context x'), 2, 'there is no context x'],
    ['a command that has said it', new CliError(7, 'no answer yet'), 7, 'no answer yet'],
  ])('%s', (_, error, exitCode, message) => {
    expect(failureOf(error, 'https://k')).toEqual({ exitCode, message });
  });
});

test('a mistyped name finds those that are near, the nearest first', () => {
  const names = ['cand-0042', 'cand-0024', 'cand-0043', 'proctor', 'cand-0042-retry'];
  expect(nearestNames('cand-0402', names)).toEqual(['cand-0042', 'cand-0024', 'cand-0043']);
  expect(nearestNames('42-retry', names)).toEqual(['cand-0042-retry']);
  expect(nearestNames('ada', names)).toEqual([]);
});

test('spans are as exact as a glance needs', () => {
  expect([250, 42_900, 9 * 60_000 + 5_000, 61 * 60_000, 76 * 3_600_000, -90_000].map(span)).toEqual(['250ms', '42s', '9m5s', '1h1m', '3d4h', '1m30s']);
  const now = new Date('2026-11-23T10:00:00Z');
  expect(['2026-11-23T10:25:00Z', '2026-11-23T09:48:00Z', '2026-11-23T10:00:00.400Z'].map((at) => relative(at, now))).toEqual(['in 25m', '12m ago', 'now']);
});

test('times are UTC, or of a zone with its offset, summer time and all', () => {
  expect(clock('2026-11-23T10:00:00.5Z', { timeZone: 'UTC' })).toBe('2026-11-23 10:00:00Z');
  expect(clock('2026-07-01T22:30:00Z', { timeZone: 'Europe/Berlin' })).toBe('2026-07-02 00:30:00+02:00');
  expect(clock('2026-11-23T10:00:00Z', { timeZone: 'America/St_Johns' })).toBe('2026-11-23 06:30:00-03:30');
});

describe('what others have written', () => {
  const evil = { owner: 'eve\u001b[2J\u0007', list: ['a\nb\u202e'] };
  test('cannot steer the terminal', () => {
    expect(harmless(evil)).toEqual({ owner: 'eve [2J ', list: ['a b '] });
    const shown = rendered(evil, ({ owner }) => [owner], { format: 'text', style: { paint: colours, timeZone: 'UTC' }, now: new Date() });
    expect(shown).toBe('eve [2J \n');
  });
  test('is given to scripts as it is', () => {
    const style = { paint: colours, timeZone: 'UTC' };
    expect(JSON.parse(rendered(evil, () => [], { format: 'json', style, now: new Date() }))).toEqual(evil);
    expect(rendered({ a: [1] }, () => [], { format: 'yaml', style, now: new Date() })).toBe('a:\n  - 1\n');
  });
});

test('colours do not move the columns of a table', () => {
  expect(table(['A', 'B'], [[colours('good', 'x'), 'y'], ['long', 'z']])).toEqual(['A      B', '\u001b[32mx\u001b[39m      y', 'long   z']);
});

test('the guide has every command, option and exit code', () => {
  const guide = readFileSync(resolve(import.meta.dirname, '../../../docs/cli.md'), 'utf8');
  const root = program(async () => undefined);
  const spoken = [
    ...root.commands.map((command) => `\`${command.name()}`),
    ...[root, ...root.commands].flatMap(({ options }) => options.map(({ long }) => long ?? '')),
    ...Object.values(EXIT).map((code) => `\n| ${code} | `),
  ];
  expect(spoken.length).toBeGreaterThan(30);
  expect(spoken.filter((words) => !guide.includes(words))).toEqual([]);
});
