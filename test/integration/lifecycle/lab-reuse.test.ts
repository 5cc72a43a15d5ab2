import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LABLET_DEFINITIONS, LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { eventually } from '../../support/eventually.ts';
import { startLifecycle, type Lifecycle } from '../../support/lifecycle.ts';
import { TOPOLOGY } from '../../support/objects.ts';
import type { Lab } from '../../../src/api/lab.ts';

describe('a kept lab', () => {
  let world: Lifecycle;

  beforeEach(async () => {
    world = await startLifecycle({ timeouts: { archiveTtl: 600_000 } });
    world.runAll();
    await world.define('edge');
    await world.serve('cml-1');
  });
  afterEach(() => world.close());

  /** Sessions side by side from booking to Archived; gives the Labs that were kept. */
  async function used(...names: string[]): Promise<Lab[]> {
    for (const name of names) await world.book(name, 'edge');
    for (const name of names) {
      await world.reaches(name, 'Ready');
      await world.annotate(LABLET_SESSIONS, name, { 'lablet.dev/start': '' });
    }
    for (const name of names) {
      await world.reaches(name, 'Running');
      await world.client.mergePatch(LABLET_SESSIONS, name, world.namespace, { spec: { desiredState: 'Ended' } });
    }
    for (const name of names) await world.reaches(name, 'Archived');
    return eventually(async () => {
      const labs = await world.labs();
      expect(labs.map((lab) => [lab.status?.state, lab.spec.sessionRef])).toEqual(names.map(() => ['Wiped', undefined]));
      return labs;
    });
  }
  const imports = async () => (await world.sims.cmlCounters())[0]?.['POST /import'];
  const tagsOnHost = async () => (await world.sims.labsOnHosts())[0]?.map(({ title, nodes }) => [title, nodes.flatMap(({ tags }) => tags)]);

  test('serves the next session of its version in place, with its ports and its title', async () => {
    const [kept] = await used('first');
    const before = await tagsOnHost();
    await world.book('second', 'edge');
    const { status } = await world.reaches('second', 'Ready');
    expect(status).toMatchObject({ labName: kept?.metadata.name, labOrigin: 'Reused', cmlLabId: kept?.status?.cmlLabId, allocatedPorts: { r1_serial: kept?.spec.ports[0]?.number } });
    expect(await tagsOnHost()).toEqual(before);
    expect(await imports()).toBe(1);
    expect((await world.lab(kept?.metadata.name)).status?.runs).toHaveLength(2);
  });

  test('of another version is never used, and goes when its version does', async () => {
    const [old] = await used('first');
    await world.client.mergePatch(LABLET_DEFINITIONS, 'edge', world.namespace, { spec: { version: '1.1.0', topology: { inline: TOPOLOGY.replace('two routers', 'the same two routers') } } });
    await eventually(async () => expect((await world.client.get(LABLET_DEFINITIONS, 'edge', world.namespace)).status?.currentVersion).toBe('1.1.0'));
    await world.book('second', 'edge');
    const { status } = await world.reaches('second', 'Ready');
    expect(status).toMatchObject({ definitionVersion: '1.1.0', labOrigin: 'Created' });
    expect(status?.labName).not.toBe(old?.metadata.name);
    expect(await imports()).toBe(2);
    await eventually(async () => expect((await world.onHost()).map(({ title }) => title)).toEqual([status?.labName]));
  });

  test('that the host has lost is replaced by the next of its version', async () => {
    const labs = await used('first', 'second');
    // Both are as ready: the first by name is claimed.
    const [ghost, next] = labs.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    await world.behindOurBack('DELETE', `labs/${ghost?.status?.cmlLabId ?? ''}`);
    const booked = await world.book('third', 'edge');
    const { status } = await world.reaches('third', 'Ready');
    expect(status).toMatchObject({ labName: next?.metadata.name, labOrigin: 'Reused', cmlLabId: next?.status?.cmlLabId, allocatedPorts: { r1_serial: next?.spec.ports[0]?.number }, attempts: 1 });
    expect(await imports()).toBe(2);
    await eventually(async () => expect((await world.labs()).map(({ metadata }) => metadata.name)).toEqual([next?.metadata.name]));
    await eventually(async () => expect((await world.eventsOf(booked)).find(({ reason }) => reason === 'LabReplaced')?.note).toContain(ghost?.metadata.name));
  });

  test('that the host has lost, where there is no other, hands its ports to a new record, which is imported', async () => {
    const [ghost] = await used('first');
    await world.behindOurBack('DELETE', `labs/${ghost?.status?.cmlLabId ?? ''}`);
    await world.book('second', 'edge');
    const { status } = await world.reaches('second', 'Ready');
    expect(status).toMatchObject({ labOrigin: 'Created', allocatedPorts: { r1_serial: ghost?.spec.ports[0]?.number }, attempts: 1 });
    expect(status?.labName).not.toBe(ghost?.metadata.name);
    await eventually(async () => expect((await world.labs()).map(({ metadata, spec }) => [metadata.name, spec.ports])).toEqual([[status?.labName, ghost?.spec.ports]]));
    expect(await tagsOnHost()).toEqual([[status?.labName, [`serial:${ghost?.spec.ports[0]?.number ?? 0}`]]]);
    expect(await world.sims.portClashes()).toEqual([]);
  });
});
