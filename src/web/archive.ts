/**
 * `GET /archive`: what the archive holds, page by page. It holds what is in sessions and results, and holds it longer, so
 * reading it is a right of its own, given by Kubernetes RBAC: verb `list` on the resource `archives` of our group, in the
 * namespace that is asked for, or in all.
 */
import { Router } from 'express';
import { z } from 'zod';
import { GROUP } from '../api/group.ts';
import { CursorError, readPage } from '../events/archive/read.ts';
import type { Request, Response } from 'express';
import type { ArchiveStore } from '../events/archive/store.ts';
import type { Access, KubeUser } from '../kube/access-review.ts';

export interface ArchiveRouterDeps {
  readonly store: ArchiveStore;
  /** Whose token is it? Undefined: nobody's. */
  readonly whoIs: (token: string, signal: AbortSignal) => Promise<KubeUser | undefined>;
  readonly mayDo: (user: KubeUser, access: Access, signal: AbortSignal) => Promise<boolean>;
}

/** For one request with its questions to the API server and its reads. */
const TIMEOUT_MS = 30_000;
const LIMIT = 200;
const LIMIT_MAX = 1000;

const querySchema = z.strictObject({
  subject: z.string().min(1).max(512).optional(),
  namespace: z.string().min(1).max(253).optional(),
  type: z.string().min(1).max(256).optional(),
  since: z.iso.datetime({ offset: true, error: 'give a time such as 2026-11-23T08:00:00Z' }).transform((text) => new Date(text)).optional(),
  after: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT),
});

/** Answers `{items, after?}` with records as they are stored (docs/archive.md): 400, 401 and 403 say what to change. */
export function archiveRouter(deps: ArchiveRouterDeps): Router {
  const router = Router();
  router.get('/', async (request: Request, response: Response) => {
    response.set('Cache-Control', 'no-store');
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const query = querySchema.safeParse(request.query);
    if (!query.success) {
      response.status(400).json({ error: query.error.issues.map(({ path, message }) => `${path.join('.') || 'query'}: ${message}`).join('; ') });
      return;
    }
    const { subject, limit, after, ...rest } = query.data;
    const namespace = subject?.includes('/') === true ? subject.split('/', 1)[0] : rest.namespace;
    const refused = await refusal(deps, request, namespace, signal);
    if (refused) {
      if (refused.status === 401) response.set('WWW-Authenticate', 'Bearer');
      response.status(refused.status).json({ error: refused.error });
      return;
    }
    try {
      response.json(await readPage(deps.store, { ...rest, subject, namespace }, after, limit, signal));
    } catch (error) {
      if (!(error instanceof CursorError)) throw error;
      response.status(400).json({ error: error.message });
    }
  });
  return router;
}

async function refusal(deps: ArchiveRouterDeps, request: Request, namespace: string | undefined, signal: AbortSignal): Promise<{ status: 401 | 403; error: string } | undefined> {
  const token = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1];
  if (token === undefined) return { status: 401, error: "send 'Authorization: Bearer TOKEN'; kubectl create token NAME makes one" };
  const user = await deps.whoIs(token, signal);
  if (!user) return { status: 401, error: 'the token is not valid' };
  if (await deps.mayDo(user, { group: GROUP, resource: 'archives', verb: 'list', namespace }, signal)) return undefined;
  const where = namespace === undefined ? 'in all namespaces (ask for one with ?namespace= or ?subject=NAMESPACE/NAME)' : `in namespace ${namespace}`;
  return { status: 403, error: `${user.username} may not list archives.${GROUP} ${where}` };
}
