/**
 * A whole program on the runtime, as small as can be: it leads, and while it leads it makes an effect
 * for every ConfigMap of its namespace over and over. Effects are lines in a file that all replicas
 * share, with times of the machine's monotonic clock, so that a test can see who acted when.
 */
import { appendFileSync } from 'node:fs';
import { z } from 'zod';
import { KubeClient } from '../../src/kube/client.ts';
import { Informer } from '../../src/kube/informer.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Controller } from '../../src/runtime/controller.ts';
import { Elector } from '../../src/runtime/elector.ts';
import { Manager } from '../../src/runtime/manager.ts';
import { after } from '../../src/runtime/result.ts';
import { informerSource } from '../../src/runtime/source.ts';
import { createLogger } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { CONFIG_MAPS } from './kube-objects.ts';

const env = z.object({
  POD_NAME: z.string(),
  NAMESPACE: z.string(),
  EFFECTS_FILE: z.string(),
  LEASE_MS: z.coerce.number().default(15_000),
  RENEW_MS: z.coerce.number().default(10_000),
  RETRY_MS: z.coerce.number().default(5_000),
}).parse(process.env);

const clock = systemClock;
const log = createLogger({ level: 'debug', fields: { replica: env.POD_NAME } });
const metrics = createMetrics();
const client = new KubeClient(await loadConnection());
const elector = new Elector({
  client, clock, log, metrics, namespace: env.NAMESPACE, name: 'effects', identity: env.POD_NAME,
  leaseDurationMs: env.LEASE_MS, renewDeadlineMs: env.RENEW_MS, retryPeriodMs: env.RETRY_MS,
});
const configMaps = new Informer(client, CONFIG_MAPS, { namespaces: [env.NAMESPACE] });

function tell(what: 'begin' | 'end' | 'aborted', key: string): void {
  const line = { replica: env.POD_NAME, pid: process.pid, key, what, at: Number(process.hrtime.bigint() / 1_000_000n) };
  appendFileSync(env.EFFECTS_FILE, `${JSON.stringify(line)}\n`);
}

const controller = new Controller({
  name: 'effects', clock, log, metrics, sources: [informerSource(configMaps)],
  async reconcile(key, { signal: pass }) {
    const signal = elector.leadership.effectSignal(undefined, pass);
    tell('begin', key);
    try {
      // One kind of effect is quick; the other, like a lab that boots, ends only when it is broken off.
      await clock.sleep(key.endsWith('/endless') ? 3_600_000 : 100, signal);
      tell('end', key);
    } catch (error) {
      tell('aborted', key);
      throw error;
    }
    return after(50, 'the next effect');
  },
});

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort(new Error('SIGTERM')));
await new Manager({ clock, log, caches: [configMaps], leaderOnly: [controller], elector, stopTimeoutMs: 3_000 }).run(stop.signal);
await client.close();
