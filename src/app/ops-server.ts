/** The server for operators: liveness, readiness, metrics. It answers from the first moment on. */
import express from 'express';
import { httpServer } from './http-server.ts';
import type { Health } from '../runtime/manager.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface OpsOptions {
  port: number;
  host: string | undefined;
  ready: () => Health;
  healthy: () => Health;
  metrics: Metrics;
  /** Told once the port is known (0 asks for any). */
  listening?: (port: number) => void;
}

export function opsServer({ port, host, listening, ready, healthy, metrics }: OpsOptions): Runnable {
  const probe = (check: () => Health): express.RequestHandler => (_, response) => {
    const { ok, reasons } = check();
    response.status(ok ? 200 : 503).type('text/plain').send(ok ? 'ok\n' : `${reasons.join('\n')}\n`);
  };
  const app = express()
    .disable('x-powered-by')
    .get('/healthz', probe(healthy))
    .get('/readyz', probe(ready))
    .get('/metrics', async (_, response) => {
      response.type(metrics.registry.contentType).send(await metrics.scrape());
    });
  return httpServer({ name: 'ops server', app, port, host, ...(listening && { listening }) });
}
