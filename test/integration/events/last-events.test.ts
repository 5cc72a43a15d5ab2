import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { LABLET_DEFINITIONS } from '../../../src/api/kinds.ts';
import { definitionController } from '../../../src/controllers/definition/controller.ts';
import { TIMEOUTS } from '../../../src/core/timeouts.ts';
import { Emitter } from '../../../src/events/emitter.ts';
import { HttpSink } from '../../../src/events/sink-http.ts';
import { kubeStatusUpdate } from '../../../src/events/status-update.ts';
import { NotFoundError } from '../../../src/kube/errors.ts';
import { startDeps, type TestDeps } from '../../support/deps.ts';
import { answer, silence, TestSink } from '../../support/events/sink.ts';
import { eventually } from '../../support/eventually.ts';
import { newDefinition } from '../../support/objects.ts';
import type { LabletDefinition } from '../../../src/api/labletdefinition.ts';

let world: TestDeps;
let sink: TestSink;
let out: HttpSink;

beforeAll(async () => {
  world = await startDeps({ credentials: { username: 'admin', password: 'secret' } });
});
afterEach(async () => {
  await world.stop();
  await out.close();
  await sink.close();
});
afterAll(async () => {
  await world.close();
});

/** The controller of definitions with a real emitter and a sink that reacts so; `deletionMs`: the time that last events have. */
async function start(react: TestSink['react'], deletionMs = TIMEOUTS.deletion): Promise<void> {
  const { deps, client } = world;
  sink = await TestSink.start(react);
  out = new HttpSink({ url: sink.url, mode: 'binary' });
  const emitter = new Emitter({
    feeds: [deps.caches.definitions], sinks: [out], updateStatus: kubeStatusUpdate(client, deps.metrics), source: '/ccm/lablet-controller', readSecret: async () => null,
    leadership: deps.leadership, clock: deps.clock, log: deps.log, metrics: deps.metrics, tuning: { quietMs: 50, backoffBaseMs: 50, backoffMaxMs: 100, breakerPauseMs: 50 },
  });
  world.run(emitter, definitionController({
    ...deps, settings: { ...deps.settings, timeouts: { ...TIMEOUTS, deletion: deletionMs } },
    outbox: { amend: emitter.amend, isDrained: (object) => emitter.isDrained(object), abandon: (object, signal) => emitter.abandon(object, signal) },
  }));
}

const live = (name: string): Promise<LabletDefinition> => world.client.get(LABLET_DEFINITIONS, name, world.namespace);
const version = (name: string, wanted: string): Promise<LabletDefinition> => eventually(async () => {
  const definition = await live(name);
  expect(definition.status?.currentVersion).toBe(wanted);
  return definition;
});
const gone = (name: string): Promise<void> => eventually(async () => {
  await expect(live(name)).rejects.toThrow(NotFoundError);
});
const dropped = async (): Promise<number> => (await world.deps.metrics.eventsOut.get()).values
  .filter(({ labels }) => 'result' in labels && labels.result === 'dropped').reduce((sum, { value }) => sum + value, 0);

describe('an object whose sink is away', () => {
  test('goes its way while a request is open that is never answered: its events wait in order, and no write waits for them', async () => {
    await start(() => silence);
    await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, 'hung', { spec: { version: '1.0.0' } }));
    await version('hung', '1.0.0');
    await eventually(() => expect(sink.arrivals).toHaveLength(1));
    for (const next of ['1.1.0', '1.2.0']) {
      await world.client.mergePatch(LABLET_DEFINITIONS, 'hung', world.namespace, { spec: { version: next } });
      await version('hung', next);
    }
    expect((await live('hung')).status?.outbox?.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
    expect(sink.arrivals).toHaveLength(1);
  });

  test('and is deleted stays until the sink has taken its last event', async () => {
    let isUp = false;
    const stillThere: Promise<boolean>[] = [];
    await start((_nth, { event }) => {
      if (!isUp) return answer(503);
      if (event.subject !== `${world.namespace}/patient`) return answer(202);
      stillThere.push(live('patient').then(() => true, () => false));
      // The answer comes when it is known whether the object was there.
      return (response) => void stillThere.at(-1)?.then(() => response.writeHead(202).end());
    });
    await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, 'patient'));
    const { metadata: { uid } } = await version('patient', '1.0.0');
    await world.client.delete(LABLET_DEFINITIONS, 'patient', world.namespace);
    const tries = (): number => sink.sequences(uid).length;
    const before = tries();
    await eventually(() => expect(tries()).toBeGreaterThan(before + 2));
    expect((await live('patient')).metadata.deletionTimestamp).toBeDefined();
    isUp = true;
    await gone('patient');
    expect(await Promise.all(stillThere)).toEqual([true]);
  });

  test('and is deleted goes without its last event when the time of that is over, which is counted', async () => {
    await start(() => silence, 1_000);
    await world.client.create(LABLET_DEFINITIONS, newDefinition(world.namespace, 'given-up'));
    await version('given-up', '1.0.0');
    const before = await dropped();
    await world.client.delete(LABLET_DEFINITIONS, 'given-up', world.namespace);
    await gone('given-up');
    expect(await dropped()).toBe(before + 1);
  });
});
