/**
 * Machines that carry our tags and that no Worker claims: told, and terminated only where the installation asks for it
 * (ORPHAN_INSTANCE_POLICY). What lacks our tags, or those of our cluster, is never looked at.
 */
import { WORKERS } from '../../api/kinds.ts';
import { TAG } from '../../clients/provider/port.ts';
import { NotFoundError } from '../../kube/errors.ts';
import { effectSignal } from '../deps.ts';
import { orphanInstance } from './notices.ts';
import type { Instance } from '../../clients/provider/port.ts';
import type { Deps } from '../deps.ts';

export class OrphanInstances {
  private readonly deps: Deps;
  private readonly told = new Set<string>();

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** @param seen every machine of our cluster in the region, as just seen */
  async judge(region: string, seen: readonly Instance[], signal: AbortSignal): Promise<void> {
    const { caches, metrics, settings } = this.deps;
    const uids = new Set(caches.workers.list().map(({ metadata }) => metadata.uid));
    const unclaimed = seen.filter(({ state, tags }) => tags[TAG.cluster] === settings.clusterId && state !== 'terminated' && state !== 'shutting-down' && !uids.has(tags[TAG.workerUid] ?? ''));
    metrics.orphanInstances.set({ region }, unclaimed.length);
    for (const instance of unclaimed) if (!(await this.hasWorker(instance, signal))) await this.orphan(region, instance, signal);
  }

  private async orphan(region: string, instance: Instance, signal: AbortSignal): Promise<void> {
    const { caches, events, log, providers, settings } = this.deps;
    const terminate = settings.orphanInstancePolicy === 'Terminate';
    if (!this.told.has(instance.id)) {
      this.told.add(instance.id);
      log.warn({ region, instance: instance.id, worker: instance.tags[TAG.worker], policy: settings.orphanInstancePolicy }, 'an instance of ours has no Worker');
      const template = caches.templates.get(instance.tags[TAG.template] ?? '');
      if (template) events.record(orphanInstance(template, instance.id, terminate));
    }
    if (terminate) await providers.ec2(region).terminate(instance.id, { signal: effectSignal(this.deps, signal) });
  }

  /** The cache may not have it yet; what costs work to lose is asked for twice. */
  private async hasWorker({ tags }: Instance, signal: AbortSignal): Promise<boolean> {
    const name = tags[TAG.worker];
    if (name === undefined) return false;
    try {
      return (await this.deps.client.get(WORKERS, name, undefined, { signal })).metadata.uid === tags[TAG.workerUid];
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      throw error;
    }
  }
}
