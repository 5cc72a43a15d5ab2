/** What people see and type: kubectl get, explain, selectors and the samples. */
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { testCluster } from '../../support/cluster.ts';
import { session } from './manifests.ts';

const cluster = testCluster();
const { kubectl } = cluster;
let namespace = '';

beforeAll(async () => {
  namespace = await cluster.freshNamespace('kubectl');
  const sessions = [
    { name: 'ada', status: { phase: 'Running', workerName: 'w-1', definitionVersion: '1.2.0', labName: 'campus-edge-7d1f0c2a', reason: 'UserStarted' } },
    {
      name: 'grace',
      status: {
        phase: 'Archived', workerName: 'w-2', definitionVersion: '1.2.0', reason: 'Graded', timeslot: { start: '2026-11-23T10:00:00Z' },
        scoreReport: { name: 'grace-1', id: '1b0f6d9e', score: 82.5, passed: true, submittedAt: '2026-11-23T11:31:00Z' },
      },
    },
    { name: 'linus', status: undefined },
  ];
  for (const { name, status } of sessions) {
    await kubectl(['create', '-n', namespace, '-f', '-'], JSON.stringify(session({}, name)));
    if (status) await kubectl(['patch', 'lses', name, '-n', namespace, '--subresource=status', '--type=merge', `--patch=${JSON.stringify({ status })}`]);
  }
});

/** The output of kubectl with runs of spaces and line breaks made one space. */
const words = async (...args: string[]) => (await kubectl(args)).replaceAll(/\s+/g, ' ').trim();
/** Cells of a table, by the name in its first column. */
async function rows(...args: string[]): Promise<Map<string, string[]>> {
  const lines = (await kubectl(args)).trim().split('\n');
  return new Map(lines.map((line) => line.trim().split(/ {2,}/)).map(([first = '', ...rest]) => [first, rest]));
}

describe('kubectl get', () => {
  test('shows first what a person wants to know of a session', async () => {
    const table = await rows('get', 'lses', '-n', namespace);
    expect(table.get('NAME')).toEqual(['PHASE', 'DEFINITION', 'VERSION', 'OWNER', 'WORKER', 'START', 'SCORE', 'PASSED', 'AGE']);
    expect(table.get('ada')?.slice(0, 5)).toEqual(['Running', 'campus-edge', '1.2.0', 'proctor-7', 'w-1']);
    expect(table.get('grace')?.slice(0, 8)).toEqual(['Archived', 'campus-edge', '1.2.0', 'proctor-7', 'w-2', '2026-11-23T10:00:00Z', '82.5', 'true']);
    expect(table.get('linus')?.slice(0, 2)).toEqual(['campus-edge', 'proctor-7']);
  });

  test('adds the lab and the reason with -o wide', async () => {
    const header = (await rows('get', 'lses', '-n', namespace, '-o', 'wide')).get('NAME');
    expect(header).toEqual(['PHASE', 'DEFINITION', 'VERSION', 'OWNER', 'WORKER', 'LAB', 'START', 'END', 'ADMITTED', 'SCORE', 'PASSED', 'REASON', 'AGE']);
    expect(await words('get', 'lses', '-n', namespace, '-o', 'wide')).toContain('campus-edge-7d1f0c2a');
  });

  test.each(['ldef', 'lses', 'lab', 'wrk', 'wtpl', 'score'])('knows the short name %s', async (shortName) => {
    await expect(kubectl(['get', shortName, '-n', namespace, '-o', 'name'])).resolves.toBeDefined();
  });

  test('lists every kind by the category lablet', async () => {
    const listed = (await kubectl(['api-resources', '--categories=lablet', '-o', 'name'])).trim().split('\n');
    expect(listed.sort()).toEqual(['labletdefinitions', 'labletsessions', 'labs', 'scorereports', 'workers', 'workertemplates'].map((plural) => `${plural}.lablet.dev`));
    expect((await kubectl(['get', 'lablet', '-n', namespace, '-o', 'name'])).trim().split('\n')).toEqual(expect.arrayContaining(['labletsession.lablet.dev/ada']));
  });
});

describe('field selectors are evaluated by the API server', () => {
  test.each([
    ['sessions of a phase', 'status.phase=Running', ['ada']],
    ['sessions without a phase', 'status.phase=', ['linus']],
    ['sessions of a worker', 'status.workerName=w-2', ['grace']],
    ['sessions that are not over', 'status.phase!=Archived,spec.definitionRef.name=campus-edge', ['ada', 'linus']],
    ['sessions of another owner', 'spec.owner=proctor-8', []],
  ])('%s: %s', async (_what, selector, names) => {
    const found = (await kubectl(['get', 'lses', '-n', namespace, `--field-selector=${selector}`, '-o', 'name'])).trim();
    expect(found.split('\n').filter(Boolean)).toEqual(names.map((name) => `labletsession.lablet.dev/${name}`));
  });

  test.each([
    ['lab', 'spec.workerName=w-1'], ['lab', 'status.state=Booted'], ['wrk', 'status.phase=Running'], ['ldef', 'status.currentVersion=1.2.0'], ['score', 'spec.passed=true'],
  ])('%s can be selected by %s', async (kind, selector) => {
    await expect(kubectl(['get', kind, '-n', namespace, `--field-selector=${selector}`])).resolves.toBe('');
  });

  test('a field that is no selector is refused, not ignored', async () => {
    await expect(kubectl(['get', 'lses', '-n', namespace, '--field-selector=status.reason=Graded'])).rejects.toThrow('field label not supported: status.reason');
  });
});

describe('kubectl explain reads like documentation', () => {
  test('of the slot of a session', async () => {
    const text = await words('explain', 'labletsession.spec.timeslot');
    expect(text).toContain('The booked interval. Leave it out to start as soon as possible: the slot then begins when the lab is ready and lasts maxDuration of the definition.');
    expect(text).toContain('end <string> When the slot is over, at most maxDuration of the definition after the start.');
    expect(text).toContain('start <string> When the candidate may start, such as 2026-11-23T10:00:00Z. It cannot be changed. Absent: as soon as possible.');
  });

  test('of a choice, with its values', async () => {
    expect(await words('explain', 'lses.spec.desiredState')).toContain('ENUM: Active Ended Terminated DESCRIPTION: Active; Ended: finish gracefully, collect and grade; Terminated: stop now, no grading.');
  });
});

describe('the samples', () => {
  const folder = new URL('../../../config/samples/', import.meta.url);
  const samples = readdirSync(folder).filter((name) => /^[0-9].*\.yaml$/.test(name)).sort();

  let exams = '';

  beforeAll(async () => {
    exams = await cluster.freshNamespace('samples');
  });

  /** As config/samples/30-host.yaml says, but in this test's own namespace and without leaving anything. */
  const read = (name: string) => readFileSync(new URL(name, folder), 'utf8').replaceAll('${CML_URL}', 'https://cml-01.example.org').replaceAll(/namespace: (exams|lablet-system)/g, `namespace: ${exams}`);

  test.each(samples)('%s is accepted', async (name) => {
    await expect(kubectl(['apply', '--dry-run=server', '-f', '-'], read(name))).resolves.toMatch(/created|unchanged|configured/);
  });

  test('carry the topology byte for byte', async () => {
    const topology = await kubectl(['create', '--dry-run=server', '-f', '-', '-o', 'jsonpath={.data.campus-edge\\.cml\\.yaml}'], read('40-topology.yaml'));
    expect(topology).toBe(readFileSync(new URL('campus-edge.cml.yaml', folder), 'utf8'));
  });
});
