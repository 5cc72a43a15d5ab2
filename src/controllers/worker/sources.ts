/** What wakes a worker: itself, its template, the sessions and Labs that come to hold something of it or give it back. */
import { holdsCapacity } from '../../core/worker-capacity.ts';
import { informerSource } from '../../runtime/source.ts';
import { INDEX } from '../deps.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Deps } from '../deps.ts';
import type { Source } from '../../runtime/source.ts';

/** What of a session matters to its worker: does it hold capacity, or at least keep the worker from stopping? */
function hold(session: LabletSession | undefined): string | undefined {
  const { workerName, phase } = session?.status ?? {};
  if (workerName === undefined) return undefined;
  return holdsCapacity(phase) ? 'holds' : phase === 'Stopped' ? 'stays' : undefined;
}

export function workerSources({ caches }: Deps): Source[] {
  const names = (...found: (string | undefined)[]): string[] => [...new Set(found.filter((name) => name !== undefined))];
  const labView = (lab: Lab | undefined): string => JSON.stringify([lab?.spec.workerName, lab?.status?.state]);
  return [
    informerSource(caches.workers),
    informerSource(caches.templates, (old, next) => {
      const template = next ?? old;
      return template ? caches.workers.byIndex(INDEX.workersByTemplate, template.metadata.name).map((worker) => worker.metadata.name) : [];
    }),
    informerSource(caches.sessions, (old, next) => {
      const [from, to] = [old?.status?.workerName, next?.status?.workerName];
      return from === to && hold(old) === hold(next) ? [] : names(from, to);
    }),
    informerSource(caches.labs, (old, next) => (labView(old) === labView(next) ? [] : names(old?.spec.workerName, next?.spec.workerName))),
  ];
}
