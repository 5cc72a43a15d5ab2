/**
 * What people and their tools read of the controller over HTTP, on WEB_PORT. Every subject is a router of its own file;
 * this one mounts them and answers what none of them does. It only reads, so it knows GET and HEAD alone.
 */
import express from 'express';
import type { Express, NextFunction, Request, Response, Router } from 'express';
import type { Logger } from '../telemetry/log.ts';

export interface WebOptions {
  /** Routers by the path under which they stand (`/schemas`). */
  readonly routers: Readonly<Record<string, Router>>;
  readonly log: Logger;
}

/** The application; `src/app/` listens for it. An error of a router is logged and answered with 500 and no detail. */
export function webApp({ routers, log }: WebOptions): Express {
  const app = express().disable('x-powered-by').use(readOnly);
  for (const [path, router] of Object.entries(routers)) app.use(path, router);
  app.use((request: Request, response: Response) => {
    response.status(404).json({ error: `nothing is at ${request.path}; there is ${Object.keys(routers).join(', ')}` });
  });
  // Express tells an error handler by its four parameters.
  app.use((error: unknown, request: Request, response: Response, next: NextFunction) => {
    log.error({ path: request.path, error }, 'a web request failed');
    if (response.headersSent) next(error);
    else response.status(500).json({ error: 'the controller failed to answer; its log says why' });
  });
  return app;
}

/**
 * What no answer needs is switched off for all: scripts, frames, referrers, readers of other origins. A router that serves a
 * page says itself what the page may do.
 */
const HEADERS = {
  'Content-Security-Policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

function readOnly(request: Request, response: Response, next: NextFunction): void {
  response.set(HEADERS);
  if (request.method === 'GET' || request.method === 'HEAD') next();
  else response.status(405).set('Allow', 'GET, HEAD').json({ error: `${request.method} is not allowed here; only GET and HEAD are` });
}
