/** The page (WEB_PAGE): its router, and the streams to those that have it open, which end before the web server does. */
import { mayDo } from '../kube/access-review.ts';
import { aborted } from '../runtime/runnable.ts';
import { PageAccess } from '../web/page-access.ts';
import { readPage } from '../web/page-files.ts';
import { LiveFleet } from '../web/page-live.ts';
import { pageRouter } from '../web/page.ts';
import type { Router } from 'express';
import type { Caches } from '../controllers/deps.ts';
import type { TokenReviews } from '../events/token-reviews.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeUser } from '../kube/access-review.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Runnable } from '../runtime/runnable.ts';
import type { Logger } from '../telemetry/log.ts';
import type { LiveTuning } from '../web/page-live.ts';

export interface PageParts {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'sessions' | 'workers'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly reviews: Pick<TokenReviews<KubeUser>, 'subjectOf'>;
  readonly tuning?: LiveTuning;
}

/** Runs on every replica: what it shows comes from the caches. */
export function createPage({ client, caches, clock, log, reviews, tuning }: PageParts): { readonly routers: Record<string, Router>; readonly streams: Runnable } {
  const live = new LiveFleet(caches, () => clock.now(), tuning);
  const access = new PageAccess({ whoIs: (token) => reviews.subjectOf(token), mayDo: (user, wanted, signal) => mayDo(client, user, wanted, signal) });
  return {
    routers: { '/': pageRouter({ files: readPage(), access, live, log }) },
    streams: {
      name: 'page',
      run: async ({ closing }) => {
        await aborted(closing);
        live.close();
      },
    },
  };
}
