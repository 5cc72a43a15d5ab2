/** The story of a session: what a status that the lifecycle wrote is told as. */
import { expect, test } from '@jest/globals';
import { timelineLines } from '../../../src/cli/views/timeline-lines.ts';
import { timeline } from '../../../src/cli/views/timeline.ts';
import { noColours } from '../../../src/cli/style.ts';
import { MINUTE, SECOND, sessionAt } from '../../support/builders.ts';
import { beginStep, completeStep, failStep, pipelineSteps } from '../../../src/core/pipelines.ts';
import type { Story } from '../../support/builders.ts';

const tell = (story: Story) => timeline(story.session, [], story.now);
const phases = (story: Story) => tell(story).entries.filter(({ kind }) => kind === 'Phase').map(({ name, seconds, open }) => [name, seconds, open]);

test('each phase has its length, and the last one goes on', () => {
  expect(phases(sessionAt('Running').at('2026-11-23T10:31:00Z'))).toEqual([
    ['Pending', 66_600, undefined], ['Scheduled', 900, undefined], ['Instantiating', 120, undefined], ['Ready', 840, undefined], ['Running', 1_800, true],
  ]);
});

test('the end lasts no time', () => {
  expect(phases(sessionAt('Terminated')).at(-1)).toEqual(['Terminated', undefined, undefined]);
});

test('steps are told with their attempts and what went wrong', () => {
  const story = sessionAt('Instantiating');
  const status = structuredClone(story.status);
  const { pipeline } = status;
  const spec = pipelineSteps('instantiate', undefined).find(({ name }) => name === 'lab_start');
  if (!pipeline || !spec) throw new Error('no step lab_start');
  const after = (seconds: number): Date => new Date(story.now.getTime() + seconds * 1000);
  beginStep(pipeline, 'content_sync', after(0));
  completeStep(pipeline, 'content_sync', after(4));
  beginStep(pipeline, 'lab_start', after(5));
  failStep(pipeline, spec, 'CML answers 503', true, after(6));
  beginStep(pipeline, 'lab_start', after(21));
  story.session = { ...story.session, status };
  story.advance(30 * SECOND);
  expect(tell(story).entries.filter(({ kind }) => kind === 'Step')).toEqual([
    { at: '2026-11-23T09:45:00.000Z', kind: 'Step', name: 'content_sync', state: 'Completed', seconds: 4 },
    { at: '2026-11-23T09:45:21.000Z', kind: 'Step', name: 'lab_start', state: 'Running', seconds: 9, open: true, detail: '2 attempts: CML answers 503' },
  ]);
});

test('at one instant the cause comes before the phase, and the phase before its events', () => {
  const at = tell(sessionAt('Running')).entries.filter((entry) => entry.at === '2026-11-23T10:01:00.000Z');
  expect(at.map(({ kind, name }) => [kind, name])).toEqual([['Received', 'lds.session.started'], ['Phase', 'Running'], ['Emitted', 'ccm.lablet.session.running']]);
});

test('warnings of Kubernetes have their place', () => {
  const story = sessionAt('Running');
  const warning = { type: 'Warning', reason: 'LabStopped', message: 'stopped', at: '2026-11-23T10:20:00Z', count: 3 } as const;
  expect(timeline(story.session, [warning, { ...warning, type: 'Normal' }], story.now).entries.at(-1)).toEqual({ at: warning.at, kind: 'Warning', name: 'LabStopped', detail: 'stopped (3 times)' });
});

test('people read it in this form', () => {
  const story = sessionAt('Ready').advance(3 * MINUTE);
  const lines = timelineLines(tell(story), { paint: noColours, timeZone: 'Asia/Kolkata' }, story.now);
  expect(lines.slice(0, 7)).toEqual([
    'exams/cand-0042  campus-edge 1.2.0 · owner proctor-7 · Ready on w-metal-01',
    'Slot 2026-11-23 15:30:00+05:30 to 2026-11-23 17:00:00+05:30 (1h30m), starts in 10m',
    '',
    'TIME                        LASTED   WHAT                        STATE          DETAIL',
    '2026-11-22 20:30:00+05:30            created                                    by proctor-7',
    '2026-11-22 20:30:00+05:30   18h30m   Pending                     Created        by proctor-7',
    '2026-11-22 20:30:00+05:30              → session.pending         Waiting        #1',
  ]);
  expect(lines.at(-3)).toBe('2026-11-23 15:17:00+05:30   3m…      Ready                       LabConverged   by controller');
});
