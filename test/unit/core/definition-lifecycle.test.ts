import { describe, expect, test } from '@jest/globals';
import { countSessions, inspect, judgeDefinition } from '../../../src/core/definition-lifecycle.ts';
import { getCondition } from '../../../src/core/conditions.ts';
import { newDefinition, stored, TOPOLOGY } from '../../support/objects.ts';
import type { LabletDefinition, LabletDefinitionStatus } from '../../../src/api/labletdefinition.ts';
import type { Content } from '../../../src/core/definition-lifecycle.ts';

const NOW = new Date('2026-11-23T12:00:00Z');
const LATER = new Date('2026-11-23T12:10:00Z');
const NOBODY = { live: new Map<string, number>(), emit: true };
const bytes = (text: string) => new TextEncoder().encode(text);

const definition = (status?: LabletDefinitionStatus, spec: Partial<LabletDefinition['spec']> = {}): LabletDefinition => stored<LabletDefinition>('LabletDefinition', newDefinition('exams', 'edge', { spec }), status);
const read = (text = TOPOLOGY, of = definition()): Content => inspect(bytes(text), 'ConfigMap exams/lab, key lab', of.spec);
const after = (of: LabletDefinition, content: Content | undefined, now = NOW, world = NOBODY) => judgeDefinition(of, content, world, now);
/** The definition once it has been synced for the first time. */
const synced = (spec: Partial<LabletDefinition['spec']> = {}): LabletDefinition => definition(after(definition(undefined, spec), read()).status, spec);

describe('a definition', () => {
  test('whose topology is usable freezes its version and makes it Active', () => {
    const { status, freeze, dropped } = after(definition(), read());
    expect(freeze).toMatchObject({ version: '1.0.0', topology: TOPOLOGY, spec: { version: '1.0.0' } });
    expect(status).toMatchObject({ currentVersion: '1.0.0', nodeCount: 2, versions: [{ version: '1.0.0', sha256: freeze?.sha256, state: 'Active' }], lastSyncTime: NOW.toISOString() });
    expect(dropped).toEqual([]);
  });

  test('that was read again without news is not worth a write', () => {
    const before = synced();
    expect(after(before, read(), LATER).status).toEqual(before.status);
    expect(after(before, undefined, LATER).status).toEqual(before.status);
    expect(after(before, { state: 'unchanged' }, LATER).status).toEqual(before.status);
  });

  test('records nothing in the outbox where nobody receives events', () => {
    const { status } = judgeDefinition(definition(), read(), { ...NOBODY, emit: false }, NOW);
    expect(status.outbox).toBeUndefined();
    expect(status.currentVersion).toBe('1.0.0');
  });

  test('keeps its Active version and stays Ready, whatever happens to its source', () => {
    for (const content of [read('not: [a topology'), { state: 'missing', reason: 'SourceNotFound', message: 'gone' } satisfies Content]) {
      const { status, freeze, problem } = after(synced(), content);
      expect(getCondition(status, 'Synced')?.status).toBe('False');
      expect(getCondition(status, 'Ready')?.status).toBe('True');
      expect(status.currentVersion).toBe('1.0.0');
      expect([freeze, problem?.reason]).toEqual([undefined, content.state === 'missing' ? 'SourceNotFound' : 'InvalidTopology']);
    }
  });

  test('whose pipelines cannot run never becomes Active, and says what to change', () => {
    const broken = definition(undefined, { pipelines: { teardown: { remove: ['stop_lab'] } } });
    const { status, freeze, problem } = after(broken, read(TOPOLOGY, broken));
    expect(getCondition(status, 'Synced')).toMatchObject({ status: 'False', reason: 'InvalidPipeline', message: 'spec.pipelines.teardown: remove: step stop_lab cannot be left out.' });
    expect([freeze, status.currentVersion, problem?.reason]).toEqual([undefined, undefined, 'InvalidPipeline']);
  });

  test('tells of a problem once, not at every reading', () => {
    const first = after(definition(), read('nodes: 7'));
    expect(first.problem).toBeDefined();
    const second = after(definition(first.status), read('nodes: 7'), LATER);
    expect(second.problem).toBeUndefined();
    expect(second.status).toEqual(first.status);
  });

  test('of watched content whose bytes change makes the next patch version, and none when they are the same', () => {
    const { status, freeze } = after(synced(), read(`${TOPOLOGY}# better\n`));
    expect(freeze).toMatchObject({ version: '1.0.1', spec: { version: '1.0.1' } });
    expect(status.versions?.map(({ version, state, replacedBy }) => [version, state, replacedBy])).toEqual([['1.0.0', 'Deprecated', '1.0.1'], ['1.0.1', 'Active', undefined]]);
    expect(after(definition(status), read(`${TOPOLOGY}# better\n`)).freeze).toBeUndefined();
  });

  test('of fixed content names both hashes when they differ: no version at first, drift later', () => {
    const wanted = { topology: { inline: TOPOLOGY, sha256: 'f'.repeat(64) } };
    const first = after(definition(undefined, wanted), read());
    expect(first.problem).toMatchObject({ reason: 'HashMismatch', message: expect.stringMatching(/f{64}.*[0-9a-f]{64}/) });
    expect([first.freeze, first.status.versions]).toEqual([undefined, undefined]);
    const usable = read();
    const fixed = { topology: { inline: TOPOLOGY, sha256: usable.state === 'usable' ? usable.sha256 : '' } };
    expect(after(synced(fixed), read(`${TOPOLOGY}# drift\n`)).problem?.reason).toBe('ArtifactDrift');
  });

  test('forgets versions beyond ten that nobody uses, and no other', () => {
    const versions = Array.from({ length: 12 }, (_, n) => ({ version: `1.${n}.0`, sha256: 'a'.repeat(64), state: n === 11 ? ('Active' as const) : ('Deprecated' as const) }));
    const before = definition({ ...synced().status, currentVersion: '1.11.0', versions }, { version: '1.12.0' });
    const { status, forget } = after(before, read(), NOW, { live: new Map([['1.1.0', 3]]), emit: true });
    expect(forget).toEqual(['1.0.0', '1.2.0']);
    expect(status.versions?.map(({ version }) => version)).toEqual(['1.1.0', '1.3.0', '1.4.0', '1.5.0', '1.6.0', '1.7.0', '1.8.0', '1.9.0', '1.10.0', '1.11.0', '1.12.0']);
  });

  test('too large to be stored as JSON is refused although its bytes would fit', () => {
    const many = Array.from({ length: 440_000 }, () => '"').join('');
    const content = read(`${TOPOLOGY}# ${many}${many}\n`);
    expect(content).toMatchObject({ state: 'unusable', reason: 'TopologyTooLarge' });
  });

  test('counts live sessions on every version that it knows', () => {
    const draft = { ...synced().status };
    countSessions(draft, new Map([['1.0.0', 4], ['9.9.9', 1]]));
    expect(draft.versions).toMatchObject([{ version: '1.0.0', sessions: 4 }]);
  });
});
