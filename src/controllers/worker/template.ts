/** A WorkerTemplate that workers use is kept by a finalizer: without it nobody would know where their machines are. */
import { FINALIZER } from '../../api/group.ts';
import { WORKERS, WORKER_TEMPLATES } from '../../api/kinds.ts';
import { isDeleting } from '../../api/meta.ts';
import { Controller } from '../../runtime/controller.ts';
import { addFinalizer, removeFinalizer } from '../../runtime/finalizers.ts';
import { done } from '../../runtime/result.ts';
import { informerSource } from '../../runtime/source.ts';
import { templateInUse } from './notices.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { Deps } from '../deps.ts';

export function templateController(deps: Deps): Controller {
  const { caches, clock, log, metrics } = deps;
  const sources = [
    informerSource(caches.templates),
    // A worker that came or went; its status is of no interest here.
    informerSource(caches.workers, (old, next) => (old && next ? [] : [(next ?? old)?.spec.templateName ?? ''])),
  ];
  return new Controller({ name: 'workertemplate', sources, clock, log, metrics, reconcile: (key, pass) => reconcile(deps, key, pass) });
}

async function reconcile(deps: Deps, key: string, pass: PassContext): Promise<Outcome> {
  const { caches, client, events } = deps;
  const template = caches.templates.get(key);
  if (!template) return done();
  const target = { client, resource: WORKER_TEMPLATES, object: template, finalizer: FINALIZER, signal: pass.signal };
  const holds = template.metadata.finalizers?.includes(FINALIZER) === true;
  if (!isDeleting(template)) {
    if (!holds) caches.templates.observe(await addFinalizer(target));
    return done();
  }
  if (!holds) return done();
  // Asked of the API server: the cache may not have the newest worker yet.
  const { items } = await client.list(WORKERS, { fieldSelector: `spec.templateName=${key}`, signal: pass.signal });
  if (items.length > 0) events.record(templateInUse(template, items.map(({ metadata }) => metadata.name)));
  else await removeFinalizer(target);
  return done();
}
