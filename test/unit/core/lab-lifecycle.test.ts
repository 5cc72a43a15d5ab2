import { describe, expect, test } from '@jest/globals';
import { claimLapsed, decideLab, isUsable } from '../../../src/core/lab-lifecycle.ts';
import { LAB_STATES } from '../../../src/api/lab.ts';
import { newDefinition, newLab, newSession, stored } from '../../support/objects.ts';
import type { Lab, LabState, LabStatus } from '../../../src/api/lab.ts';
import type { LabletDefinition, LabletDefinitionStatus } from '../../../src/api/labletdefinition.ts';
import type { LabletSession, LabletSessionStatus } from '../../../src/api/labletsession.ts';
import type { LabWorld } from '../../../src/core/lab-lifecycle.ts';

const NOW = new Date('2026-11-23T12:00:00Z');
const HOUR = 3_600_000;
const SHA = 'a'.repeat(64);
const SINCE = new Date(NOW.getTime() - HOUR).toISOString();

const lab = (status?: LabStatus, deleted = false): Lab => {
  const made = stored<Lab>('Lab', newLab('edge-0a0b0c0d-abcd', 'cml-1', { spec: { definitionRef: { namespace: 'exams', name: 'edge', version: '1.0.0' }, topologySha256: SHA } }), status);
  return deleted ? { ...made, metadata: { ...made.metadata, deletionTimestamp: SINCE } } : made;
};
const definition = (version: NonNullable<LabletDefinitionStatus['versions']>[number] = { version: '1.0.0', sha256: SHA, state: 'Active' }): LabletDefinition =>
  stored<LabletDefinition>('LabletDefinition', newDefinition('exams', 'edge'), { versions: [version] });
const world = (change: Partial<LabWorld> = {}): LabWorld => ({ definition: definition(), worker: 'present', retention: 24 * HOUR, retryImport: HOUR, ...change });
const standing = (state: LabState): Lab => lab({ state, cmlLabId: 'x', since: SINCE });

describe('an unclaimed Lab', () => {
  test.each([
    ['Reserved', 'remove'], ['Importing', 'remove'], ['Defined', 'keep'], ['Starting', 'remove'], ['Booted', 'remove'], ['Stopping', 'remove'],
    ['Stopped', 'wipe'], ['Wiping', 'wipe'], ['Wiped', 'keep'], ['Deleting', 'remove'], ['Error', 'remove'], ['Orphaned', 'remove'],
  ] as const)('that stands on its host in state %s: %s', (state, what) => {
    expect(decideLab(standing(state), world(), NOW).do).toBe(what);
  });

  test('is kept for the retention, to the moment', () => {
    expect(decideLab(standing('Wiped'), world(), NOW)).toEqual({ do: 'keep', until: new Date(NOW.getTime() + 23 * HOUR) });
    expect(decideLab(standing('Wiped'), world({ retention: HOUR + 1 }), NOW).do).toBe('keep');
    expect(decideLab(standing('Wiped'), world({ retention: HOUR }), NOW).do).toBe('remove');
  });

  test('is not kept for a version that new sessions cannot get', () => {
    const useless: [string, LabletDefinition | undefined][] = [
      ['no definition', undefined],
      ['deprecated', definition({ version: '1.0.0', sha256: SHA, state: 'Deprecated', replacedBy: '1.1.0' })],
      ['another definition of the same name', definition({ version: '1.0.0', sha256: 'b'.repeat(64), state: 'Active' })],
      ['unknown version', definition({ version: '2.0.0', sha256: SHA, state: 'Active' })],
    ];
    for (const [, found] of useless) {
      expect(isUsable(standing('Wiped'), found)).toBe(false);
      expect(decideLab(standing('Wiped'), world({ definition: found }), NOW).do).toBe('remove');
    }
  });

  test('is not kept on a worker that goes for good, nor when it was deleted', () => {
    expect(decideLab(standing('Wiped'), world({ worker: 'ending' }), NOW).do).toBe('remove');
    expect(decideLab(lab({ state: 'Wiped', cmlLabId: 'x', since: SINCE }, true), world(), NOW).do).toBe('remove');
  });

  test('that was never touched, or whose worker is gone, needs nothing of a host', () => {
    expect(decideLab(lab(), world(), NOW).do).toBe('drop');
    for (const state of LAB_STATES) expect(decideLab(standing(state), world({ worker: 'gone' }), NOW).do).toBe('drop');
  });

  test('that is Reserved again after it stood on a host is looked for there', () => {
    expect(decideLab(lab({ state: 'Reserved', since: SINCE }), world(), NOW).do).toBe('remove');
  });
});

describe('the claim of a session', () => {
  const session = (status: LabletSessionStatus): LabletSession => stored<LabletSession>('LabletSession', newSession('exams', 'one', 'edge'), status);
  test.each<[string, LabletSessionStatus | undefined, boolean]>([
    ['bound to this Lab', { phase: 'Running', labName: 'edge-0a0b0c0d-abcd' }, true],
    ['not bound yet: the scheduler claims first', { phase: 'Pending' }, true],
    ['bound to another Lab', { phase: 'Running', labName: 'edge-ffffffff-abcd' }, false],
    ['stopping, its teardown under way', { phase: 'Stopped', labName: 'edge-0a0b0c0d-abcd' }, true],
    ['archived', { phase: 'Archived', labName: 'edge-0a0b0c0d-abcd' }, false],
    ['terminated', { phase: 'Terminated' }, false],
    ['gone', undefined, false],
  ])('%s', (_, status, holds) => {
    expect(claimLapsed(lab(), { session: status && session(status) }) === undefined).toBe(holds);
  });
});

describe('an unclaimed Lab of the warm pool', () => {
  const warm = (status?: LabStatus): Lab => {
    const made = lab(status);
    return { ...made, spec: { ...made.spec, source: 'WarmPool' } };
  };

  test.each([['Reserved', undefined], ['Importing', { state: 'Importing', since: SINCE }]] as const)('in state %s is imported', (_, status) => {
    expect(decideLab(warm(status), world(), NOW)).toEqual({ do: 'import' });
  });

  test('is not imported on a worker that is drained, nor for a version that is no longer used', () => {
    expect(decideLab(warm(), world({ worker: 'draining' }), NOW).do).toBe('drop');
    expect(decideLab(warm(), world({ definition: definition({ version: '1.0.0', sha256: SHA, state: 'Deprecated' }) }), NOW).do).toBe('drop');
  });

  test('is kept without a limit of time, and leaves a worker that is drained', () => {
    const old = warm({ state: 'Defined', cmlLabId: 'x', since: new Date(NOW.getTime() - 48 * HOUR).toISOString() });
    expect(decideLab(old, world(), NOW)).toEqual({ do: 'keep', until: undefined });
    expect(decideLab(old, world({ worker: 'draining' }), NOW).do).toBe('remove');
  });

  test('that could not be imported stays for a while, so that it is not tried at once again', () => {
    const failed = warm({ state: 'Error', since: NOW.toISOString(), message: 'refused' });
    expect(decideLab(failed, world(), NOW)).toEqual({ do: 'keep', until: new Date(NOW.getTime() + HOUR) });
    expect(decideLab(failed, world(), new Date(NOW.getTime() + HOUR)).do).toBe('remove');
  });
});
