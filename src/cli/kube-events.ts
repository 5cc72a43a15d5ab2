/** Kubernetes Events about an object, as `kubectl describe` shows them: the core/v1 view, which the role view of Kubernetes covers. */
import type { KubeObject } from '../api/meta.ts';
import type { ResourceOf } from '../api/resource.ts';

interface CoreEvent extends KubeObject {
  type?: string;
  reason?: string;
  message?: string;
  firstTimestamp?: string | null;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  count?: number;
  series?: { count?: number; lastObservedTime?: string };
}

export const CORE_EVENTS: ResourceOf<CoreEvent> = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };

/** One Event, with its last time. */
export interface Told {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  at: string;
  count: number;
}

/** Newest first. */
export function toldBy(events: readonly CoreEvent[]): Told[] {
  return events
    .map(({ type, reason = '', message = '', metadata, lastTimestamp, eventTime, series, count }): Told => ({
      type: type === 'Warning' ? 'Warning' : 'Normal', reason, message,
      at: series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp,
      count: series?.count ?? count ?? 1,
    }))
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
}
