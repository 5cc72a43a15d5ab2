/** The fleet at a glance: what is shown, and what counts as worth a look. */
import { describe, expect, test } from '@jest/globals';
import { fleetLines } from '../../../src/cli/views/fleet-lines.ts';
import { fleetStatus } from '../../../src/cli/views/fleet.ts';
import { noColours } from '../../../src/cli/style.ts';
import { MINUTE, sessionAt } from '../../support/builders.ts';
import { newDefinition, newTemplate, newWorker, stored } from '../../support/objects.ts';
import type { LabletDefinition } from '../../../src/api/labletdefinition.ts';
import type { Worker, WorkerTemplate } from '../../../src/api/worker.ts';
import type { FleetObjects } from '../../../src/cli/views/fleet.ts';

const NOW = new Date('2026-11-23T09:50:00Z');
const ago = (minutes: number): string => new Date(NOW.getTime() - minutes * MINUTE).toISOString();
const amounts = (cpu: string, memory: string) => ({ cpu, memory, storage: '100Gi', nodes: 12, ports: 9 });
const worker = (name: string, status: Worker['status']): Worker => stored<Worker>('Worker', newWorker(name, 'onprem', 'https://cml'), status);
const running = worker('cml-01', { phase: 'Running', cmlVersion: '2.9.1', sessions: 3, capacity: { declared: amounts('48', '192Gi'), allocated: amounts('12', '24Gi'), available: amounts('36', '168Gi') } });
const fleet = (objects: Partial<FleetObjects>) => fleetStatus({ sessions: [], ...objects }, NOW, undefined, []);
const attention = (objects: Partial<FleetObjects>) => fleet(objects).attention.map(({ about, verdict, reason }) => [about, verdict, reason]);

describe('worth a look is', () => {
  test.each<[string, Worker['status'], unknown[]]>([
    ['a host that does not answer', { phase: 'Running', unreachableSince: ago(3) }, [['worker w', 'Trouble', 'WorkerUnreachable']]],
    ['a worker that has failed', { phase: 'Failed', reason: 'ImageNotFound', message: 'no image' }, [['worker w', 'Failed', 'ImageNotFound']]],
    ['a running one that takes no sessions', { phase: 'Running', conditions: [{ type: 'Schedulable', status: 'False', reason: 'LicenseMismatch', lastTransitionTime: ago(1) }] }, [['worker w', 'Trouble', 'LicenseMismatch']]],
    ['one that does not come up', { phase: 'Starting', conditions: [{ type: 'CMLReady', status: 'False', reason: 'LoginRefused', lastTransitionTime: ago(1) }] }, [['worker w', 'Trouble', 'LoginRefused']]],
    ['a drain', { phase: 'Draining', drainStartedAt: ago(1), message: '2 session(s) are left' }, [['worker w', 'Waits', 'Draining']]],
    ['not one that serves', { phase: 'Running' }, []],
    ['not one that is stopped', { phase: 'Stopped' }, []],
  ])('%s', (_, status, expected) => {
    expect(attention({ workers: [worker('w', status)] })).toEqual(expected);
  });
  test('a definition whose topology cannot be read', () => {
    const definition = stored<LabletDefinition>('LabletDefinition', newDefinition('exams', 'edge'), { conditions: [{ type: 'Synced', status: 'False', reason: 'SourceNotFound', message: 'no such file', lastTransitionTime: ago(1) }] });
    expect(attention({ definitions: [definition] })).toEqual([['definition exams/edge', 'Trouble', 'SourceNotFound']]);
  });
  test('a template in quarantine', () => {
    const template = (until: string): WorkerTemplate => stored<WorkerTemplate>('WorkerTemplate', newTemplate('metal'), { quarantinedUntil: until, failures: 3 });
    expect(attention({ templates: [template(ago(-5)), template(ago(5))] })).toEqual([['template metal', 'Trouble', 'Quarantined']]);
  });
  test('a session whose worker is gone, and one that failed within the hour; no older one', () => {
    const failed = (minutes: number) => {
      const story = sessionAt('Ready', { metadata: { name: `failed-${minutes}` } }).annotate({});
      story.worker('lost', 'terminated').at(ago(minutes)).judge();
      return story.session;
    };
    expect(attention({ workers: [], sessions: [sessionAt('Scheduled').session, failed(10), failed(70)] })).toEqual([['session exams/cand-0042', 'Waits', 'WorkerLost'], ['session exams/failed-10', 'Failed', 'WorkerLost']].reverse());
  });
});

test('people read it in this form', () => {
  const objects = { workers: [running, worker('cml-02', { phase: 'Starting' })], sessions: [sessionAt('Scheduled').session, sessionAt('Running', { metadata: { name: 'b' } }).session] };
  expect(fleetLines(fleetStatus(objects, NOW, 'exams', ['something is hidden']), { paint: noColours, timeZone: 'UTC' }, NOW)).toEqual([
    'Workers',
    'NAME     PHASE      CML     SESSIONS   CPU     MEMORY       STORAGE       NODES   PORTS',
    'cml-01   Running    2.9.1   3          12/48   24Gi/192Gi   100Gi/100Gi   12/12   9/9',
    'cml-02   Starting           0',
    '',
    'Sessions in namespace exams: 2',
    '1 Scheduled · 1 Running',
    'Next exams/cand-0042 at 2026-11-23 10:00:00Z (in 10m) on w-metal-01',
    '',
    'Needs attention',
    'WHAT                                REASON       SINCE   MESSAGE',
    'session exams/b           Trouble   WorkerLost           There is no Worker w-metal-01 any more.',
    'session exams/cand-0042   Waits     WorkerLost           There is no Worker w-metal-01 any more.',
    'What would help: kubectl lablet why SESSION -n NAMESPACE',
    '',
    'something is hidden',
  ]);
});

test('sessions of which the same is to be said share a line', () => {
  const sessions = ['a', 'b', 'c'].map((name) => sessionAt('Running', { metadata: { name } }).session);
  const lines = fleetLines(fleet({ sessions, workers: [] }), { paint: noColours, timeZone: 'UTC' }, NOW);
  expect(lines.filter((line) => line.startsWith('session '))).toEqual(['session exams/a and 2 more   Trouble   WorkerLost           There is no Worker w-metal-01 any more.']);
});

test('where Workers cannot be seen nothing is said of them', () => {
  const seen = fleet({ sessions: [sessionAt('Running').session] });
  expect([seen.workers, seen.attention]).toEqual([undefined, []]);
  expect(fleetLines(seen, { paint: noColours, timeZone: 'UTC' }, NOW)[0]).toBe('Sessions in all namespaces: 1');
});
