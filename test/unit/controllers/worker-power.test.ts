import { expect, test } from '@jest/globals';
import { actFor, type Act } from '../../../src/controllers/worker/power.ts';
import { machineWorker } from '../../support/worker-world.ts';
import type { WorkerPhase, WorkerSpec } from '../../../src/api/worker.ts';
import type { InstanceState } from '../../../src/clients/provider/port.ts';

const idle = { idle: true, licenseReleased: true };
const busy = { idle: false, licenseReleased: true };
const licensed = { idle: true, licenseReleased: false };

test.each<[WorkerPhase, WorkerSpec['desiredState'], InstanceState, typeof idle, Act | undefined]>([
  ['Running', 'Running', 'running', idle, undefined],
  ['Draining', 'Stopped', 'running', idle, undefined],
  ['Stopping', 'Stopped', 'running', idle, 'stop'],
  ['Stopping', 'Stopped', 'stopping', idle, undefined],
  ['Stopped', 'Running', 'stopped', idle, 'start'],
  ['Stopped', 'Running', 'stopped', busy, undefined],
  ['Stopped', 'Running', 'pending', idle, undefined],
  ['Stopped', 'Stopped', 'stopped', idle, undefined],
  ['Stopped', 'Stopped', 'running', idle, 'stop'],
  ['Terminating', 'Terminated', 'running', licensed, undefined],
  ['Terminating', 'Terminated', 'running', idle, 'terminate'],
  ['Terminating', 'Terminated', 'shutting-down', idle, undefined],
  ['Failed', 'Running', 'running', idle, 'terminate'],
  ['Failed', 'Running', 'terminated', idle, undefined],
])('a %s worker that is to be %s, its instance %s (%o): %s', (phase, desiredState, state, world, act) => {
  expect(actFor(machineWorker({ phase, conditions: [] }, { desiredState }), state, world)).toBe(act);
});

test('an adopted instance is never terminated', () => {
  for (const phase of ['Terminating', 'Failed'] as const) expect(actFor(machineWorker({ phase, conditions: [] }, { instanceId: 'i-1' }), 'running', idle)).toBeUndefined();
});
