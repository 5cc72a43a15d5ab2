/** The server for operators: liveness, readiness, metrics. It answers from the first moment on. */
import { createServer } from 'node:http';
import express from 'express';
import { aborted } from '../runtime/runnable.ts';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Health } from '../runtime/manager.ts';
import type { Runnable, Term } from '../runtime/runnable.ts';
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

export function opsServer(options: OpsOptions): Runnable {
  return {
    name: 'ops server',
    async run(term: Term): Promise<void> {
      const server = createServer(app(options) as Parameters<typeof createServer>[1]);
      await listen(server, options);
      await aborted(term.closing);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      term.ended.addEventListener('abort', () => server.closeAllConnections(), { once: true });
      await closed;
    },
  };
}

function app({ ready, healthy, metrics }: OpsOptions) {
  const probe = (check: () => Health): express.RequestHandler => (_, response) => {
    const { ok, reasons } = check();
    response.status(ok ? 200 : 503).type('text/plain').send(ok ? 'ok\n' : `${reasons.join('\n')}\n`);
  };
  return express()
    .disable('x-powered-by')
    .get('/healthz', probe(healthy))
    .get('/readyz', probe(ready))
    .get('/metrics', async (_, response) => {
      response.type(metrics.registry.contentType).send(await metrics.scrape());
    });
}

function listen(server: Server, { port, host, listening }: OpsOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      listening?.((server.address() as AddressInfo).port);
      resolve();
    });
  });
}
