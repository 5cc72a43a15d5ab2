import { afterEach, beforeEach } from '@jest/globals';
import { Informer, type InformerOptions } from '../../src/kube/informer.ts';
import { CONFIG_MAPS, type ConfigMap } from './kube-objects.ts';
import { ScriptedApi } from './scripted-api.ts';

/** An API server that misbehaves as told, and an informer of its ConfigMaps: new ones for each test of the file. */
export interface ScriptedInformer {
  readonly api: ScriptedApi;
  readonly stop: AbortController;
  /** What `start` of the informer returned. */
  readonly running: Promise<void> | undefined;
  /** Makes an informer with durations for tests and starts it; `prepare` comes before the start. */
  informer(options?: InformerOptions<ConfigMap>, prepare?: (informer: Informer<ConfigMap>) => void): Informer<ConfigMap>;
}

/** To be called at the top of a test file: it sets up and ends what each test uses. */
export function scriptedInformer(): ScriptedInformer {
  let api: ScriptedApi;
  let stop: AbortController;
  let running: Promise<void> | undefined;
  beforeEach(async () => {
    api = await ScriptedApi.start();
    stop = new AbortController();
    running = undefined;
  });
  afterEach(async () => {
    stop.abort(new Error('the test is over'));
    await running;
    await api.stop();
  });
  return {
    get api() {
      return api;
    },
    get stop() {
      return stop;
    },
    get running() {
      return running;
    },
    informer(options = {}, prepare = () => undefined) {
      const made = new Informer(api.client(), CONFIG_MAPS, {
        streaming: false,
        backoff: { baseMs: 5, maxMs: 40 },
        shortWatchMs: 30,
        idleMs: 10_000,
        auditMs: 0,
        ...options,
      });
      prepare(made);
      running = made.start(stop.signal);
      return made;
    },
  };
}

/** Version of an object in the namespace `default`, as the cache has it. */
export function version(cache: Informer<ConfigMap>, name: string): string | undefined {
  return cache.get(`default/${name}`)?.metadata.resourceVersion;
}
