/**
 * What a template teaches about itself: how long its workers take to boot, and how often their launches fail. Derived
 * from the histories of its workers at every look and never counted up, so that no crash can leave it wrong. Failed
 * Workers are kept for a day for that; whoever deletes them by hand says with it: try again.
 */
import { parseDuration } from './duration.ts';
import { fromTime, plus, toTime } from './time.ts';
import type { Worker, WorkerTemplate, WorkerTemplateStatus } from '../api/worker.ts';

type Boot = NonNullable<WorkerTemplateStatus['boots']>[number];

const BOOTS_MAX = 20;
/** Fewer boots say less than the template itself. */
const BOOTS_TRUSTED = 10;
const SHARE = 0.95;

/** From a launch to Running in milliseconds: P95 of the template's own boots, its startupTime (scaled) until there are ten. */
export function leadTimeOf({ startupTime }: { startupTime: string }, boots: readonly Pick<Boot, 'seconds'>[], scale: number): number {
  if (boots.length < BOOTS_TRUSTED) return parseDuration(startupTime) / scale;
  const sorted = boots.map(({ seconds }) => seconds).sort((a, b) => a - b);
  return (sorted[Math.ceil(SHARE * sorted.length) - 1] ?? 0) * 1000;
}

const MINUTE = 60_000;
/** Failures in a row before a template is quarantined. */
const QUARANTINE_AFTER = 3;
const BACKOFF = MINUTE;
const QUARANTINE = 30 * MINUTE;
const QUARANTINE_MAX = 240 * MINUTE;

/** A launch that failed: when it began and when it ended. */
export interface Failure {
  begunAt: Date;
  at: Date;
}

/** No launch before `notBefore`. `quarantined`: until one has succeeded, only one is tried at a time. */
export interface LaunchPause {
  notBefore: Date | undefined;
  quarantined: boolean;
}

/**
 * The pause after failures in a row, given in the order of their end: 1 min and 2 min, and from the third on a
 * quarantine of 30 min, doubled up to 4 h by each launch that was tried after it and failed as well. Launches that
 * were on their way together count as one try.
 */
export function pauseAfter(failures: readonly Failure[], scale: number): LaunchPause {
  const last = failures.at(-1);
  if (!last) return { notBefore: undefined, quarantined: false };
  const third = failures[QUARANTINE_AFTER - 1];
  if (!third) return { notBefore: plus(last.at, (BACKOFF * 2 ** (failures.length - 1)) / scale), quarantined: false };
  const tries = failures.filter(({ begunAt }) => begunAt >= third.at).length;
  return { notBefore: plus(last.at, Math.min(QUARANTINE_MAX, QUARANTINE * 2 ** Math.min(tries, 10)) / scale), quarantined: true };
}

/** The next status of a template, and the pause of its launches. `workers` are all of it, whatever their phase. */
export function learn(template: WorkerTemplate, workers: readonly Worker[], scale: number): { status: WorkerTemplateStatus; pause: LaunchPause } {
  const boots = newest([...(template.status?.boots ?? []), ...workers.flatMap(bootsOf)]);
  const lastBoot = fromTime(boots.at(-1)?.at);
  const failures = workers.flatMap(failuresOf).filter(({ at }) => lastBoot === undefined || at > lastBoot).sort((a, b) => a.at.getTime() - b.at.getTime());
  const pause = pauseAfter(failures, scale);
  const status: WorkerTemplateStatus = { ...template.status, workers: workers.filter((worker) => worker.status?.phase !== 'Terminated').length };
  put(status, 'boots', boots.length > 0 ? boots : undefined);
  put(status, 'failures', failures.length > 0 ? failures.length : undefined);
  put(status, 'quarantinedUntil', pause.quarantined && pause.notBefore ? toTime(pause.notBefore) : undefined);
  if (template.metadata.generation !== undefined) status.observedGeneration = template.metadata.generation;
  return { status, pause };
}

function put<K extends keyof WorkerTemplateStatus>(status: WorkerTemplateStatus, key: K, value: WorkerTemplateStatus[K] | undefined): void {
  if (value === undefined) Reflect.deleteProperty(status, key);
  else status[key] = value;
}

/** Launches that ended in Running: from Provisioning, since the restart of a stopped worker is another thing. */
function bootsOf({ metadata, status }: Worker): Boot[] {
  const boots: Boot[] = [];
  let launchedAt: string | undefined;
  for (const { to, at } of status?.history ?? []) {
    if (to === 'Provisioning') launchedAt = at;
    else if (to === 'Running' && launchedAt !== undefined) boots.push({ worker: metadata.name, at, seconds: Math.max(0, Math.round((Date.parse(at) - Date.parse(launchedAt)) / 1000)) });
    if (to !== 'Provisioning' && to !== 'Starting') launchedAt = undefined;
  }
  return boots;
}

function failuresOf({ metadata, status }: Worker): Failure[] {
  const failures: Failure[] = [];
  let begunAt = metadata.creationTimestamp;
  for (const { to, at } of status?.history ?? []) {
    if (to === 'Failed') failures.push({ begunAt: new Date(begunAt), at: new Date(at) });
    else if (to === 'Pending' || to === 'Provisioning') begunAt = at;
  }
  return failures;
}

/** Each boot once, the newest twenty, oldest first. */
function newest(boots: readonly Boot[]): Boot[] {
  const unique = new Map(boots.map((boot) => [`${boot.worker}/${boot.at}`, boot]));
  return [...unique.values()].sort((a, b) => (a.at < b.at ? -1 : Number(a.at > b.at)) || (a.worker < b.worker ? -1 : 1)).slice(-BOOTS_MAX);
}
