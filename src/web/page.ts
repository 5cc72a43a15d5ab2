/**
 * The page at `/`: the fleet as it is now, today's sessions by worker, the story of one session; it only reads
 * (docs/page.md). Anybody may load its files, which say nothing of a fleet. What is in the fleet goes to whoever brings
 * a token, as far as the API server lets its owner list Workers and list or get LabletSessions.
 */
import { Router } from 'express';
import { z } from 'zod';
import { AccessError, ReviewError } from './page-access.ts';
import { BusyError } from './page-live.ts';
import { storyOf } from './page-model.ts';
import type { Request, Response } from 'express';
import type { Logger } from '../telemetry/log.ts';
import type { PageAccess } from './page-access.ts';
import type { PageFile } from './page-files.ts';
import type { LiveFleet } from './page-live.ts';

export interface PageDeps {
  readonly files: Readonly<Record<string, PageFile>>;
  readonly access: PageAccess;
  readonly live: LiveFleet;
  readonly log: Logger;
}

/** Nothing but files of this origin, no frame around it, and no way from text to markup or code in the browser. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  "require-trusted-types-for 'script'", "trusted-types 'none'",
].join('; ');

const DAYS_MAX = 8;
const instant = z.iso.datetime({ offset: true, error: 'give a time such as 2026-11-23T08:00:00Z' }).transform((text) => Date.parse(text));
const liveQuery = z
  .strictObject({ from: instant, to: instant, namespace: z.string().min(1).max(253).optional() })
  .refine(({ from, to }) => from < to && to - from <= DAYS_MAX * 86_400_000, { path: ['to'], error: `must be after from, by at most ${DAYS_MAX} days` });
const storyParams = z.object({ namespace: z.string().max(253), name: z.string().max(253) });

/** `/`, `/page/FILE`, `/page/live?from=&to=&namespace=` (JSON lines, `LiveMessage`), `/page/sessions/NAMESPACE/NAME` (`Story`). */
export function pageRouter({ files, access, live, log }: PageDeps): Router {
  const router = Router();
  for (const [name, { type, text }] of Object.entries(files)) {
    router.get(name === 'index.html' ? '/' : `/page/${name}`, (_, response) => {
      response.set({ 'Content-Security-Policy': CONTENT_SECURITY_POLICY, 'Cross-Origin-Opener-Policy': 'same-origin', 'Cache-Control': 'no-cache' });
      response.type(`${type}; charset=utf-8`).send(text);
    });
  }

  router.get('/page/live', answering(log, async (request, response) => {
    const query = liveQuery.safeParse(request.query);
    if (!query.success) throw new AccessError(400, query.error.issues.map(({ path, message }) => `${path.join('.') || 'query'}: ${message}`).join('; '));
    const token = tokenOf(request);
    const { namespace } = query.data;
    const review = async (namespaces: readonly string[]) => access.scopeOf(await access.userOf(token), namespaces, namespace);
    const { username } = await access.userOf(token);
    // Asked for before the first line as well, so that a refusal is an HTTP status.
    await review(live.namespaces());
    const run = live.admit(username, query.data);
    // A proxy must pass each line on as it comes.
    response.status(200).set({ 'Content-Type': 'application/x-ndjson', 'X-Accel-Buffering': 'no' }).flushHeaders();
    await run(response, review);
  }));

  router.get('/page/sessions/:namespace/:name', answering(log, async (request, response) => {
    const { namespace, name } = storyParams.parse(request.params);
    await access.toReadOne(await access.userOf(tokenOf(request)), namespace);
    const session = live.session(`${namespace}/${name}`);
    if (session) response.json(storyOf(session, new Date()));
    else response.status(404).json({ error: `there is no session ${namespace}/${name}; it may have been deleted after its history time` });
  }));
  return router;
}

/** Answers `{error}` for what is refused; all else is for the handler of the application. */
function answering(log: Logger, handler: (request: Request, response: Response) => Promise<void>) {
  return async (request: Request, response: Response): Promise<void> => {
    response.set('Cache-Control', 'no-store');
    // A stream has no end that a HEAD could wait for.
    if (request.method === 'HEAD') {
      response.status(405).set('Allow', 'GET').end();
      return;
    }
    try {
      await handler(request, response);
    } catch (error) {
      if (response.headersSent) {
        log.error({ path: request.path, error }, 'a stream of the page failed');
        response.destroy();
      } else if (error instanceof AccessError) {
        if (error.status === 401) response.set('WWW-Authenticate', 'Bearer');
        response.status(error.status).json({ error: error.message });
      } else if (error instanceof BusyError) {
        response.status(503).set('Retry-After', '5').json({ error: error.message });
      } else if (error instanceof ReviewError) {
        log.error({ path: request.path, error: error.cause }, 'a reader of the page could not be checked: the API server must be reached, and the ServiceAccount be allowed to create tokenreviews and subjectaccessreviews');
        response.status(503).set('Retry-After', '5').json({ error: error.message });
      } else throw error;
    }
  };
}

const tokenOf = (request: Request): string | undefined => /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1];
