import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isSettled } from '../../hack/demo/expect.ts';
import { writesBy, type AuditedRequest } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const CONTROLLER = 'system:serviceaccount:lablet-system:lablet-controller';
/** What a session may cost the API server, from its creation to Archived. */
const MAX_WRITES = 24;
const MAX_EVENTS = 6;
const LIMIT_MS = 60_000;

const instant = { lds: [{ candidate: '*', startAfter: '0s', endAfter: '0s' }], grading: [{ candidate: '*', after: '0s' }] };
const session = (name: string): string =>
  JSON.stringify({ apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession', metadata: { name, namespace: 'exams' }, spec: { definitionRef: { name: 'campus-edge' }, owner: name } });

describe('what one session costs the API server, on instant simulators', () => {
  let world: TestStack;
  let writes: AuditedRequest[];

  beforeAll(async () => {
    world = await startTestStack({ world: { processes: true, bootDelay: '0s', script: instant } });
    await world.stack.applySamples('[1-5]0-*.yaml');
    await world.controlPlane.kubectl(['wait', 'labletdefinition', 'campus-edge', '--namespace=exams', '--for=condition=Ready', '--timeout=60s']);
    await world.controlPlane.kubectl(['wait', 'worker', 'onprem-cml-01', '--for=jsonpath={.status.phase}=Running', '--timeout=60s']);
    await world.controlPlane.kubectl(['apply', '--filename=-'], session('ada'));
    await eventually(() => {
      const ada = world.stack.sessions.get('exams/ada');
      expect(ada?.status?.phase).toBe('Archived');
      expect(ada && isSettled(ada)).toBe(true);
    }, LIMIT_MS);
    writes = writesBy(CONTROLLER, world.controlPlane.auditLog).filter(({ resource }) => /^(labletsessions|labs|scorereports|secrets)(\/|$)/.test(resource));
  }, LIMIT_MS + 60_000);

  afterAll(async () => {
    await world.stop();
  });

  test(`it is at most ${MAX_WRITES} writes of LabletSession, Lab, ScoreReport and Secret, refused ones included`, () => {
    const byKind = [...Map.groupBy(writes, ({ verb, resource }) => `${verb} ${resource}`)].map(([what, same]) => `${same.length} ${what}`).sort();
    process.stderr.write(`API writes for one session: ${writes.length} (${byKind.join(', ')})\n`);
    expect(writes.length).toBeLessThanOrEqual(MAX_WRITES);
  });

  test('none of the writes is refused, unless ingest or a pass was faster', () => {
    expect(writes.filter(({ code }) => code >= 300 && code !== 409)).toEqual([]);
  });

  test(`it is at most ${MAX_EVENTS} Kubernetes Events`, async () => {
    const { items } = JSON.parse(await world.controlPlane.kubectl(['get', 'events.events.k8s.io', '--namespace=exams', '--output=json'])) as { items: { reason: string; regarding: { kind: string } }[] };
    const told = items.filter(({ regarding }) => regarding.kind === 'LabletSession').map(({ reason }) => reason);
    expect(told.sort()).toEqual(['Archived', 'Graded', 'Grading', 'Ready', 'Scheduled', 'Started']);
    expect(told.length).toBeLessThanOrEqual(MAX_EVENTS);
  });
});
