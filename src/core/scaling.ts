/**
 * The fleet as the auto-scaler sees it (contract §5): plain data, gathered before it is asked. Instants are Dates, and
 * durations milliseconds of the (possibly scaled) clock of the domain. The decisions are in scaling-up.ts and
 * scaling-down.ts, what is learned about a template in scaling-learn.ts.
 */
import { sha256Hex } from './canonical.ts';
import { DEFAULT_PORT_RANGE } from './ports.ts';
import { rejection } from './scheduling.ts';
import { offerOf } from './worker-capacity.ts';
import type { Worker, WorkerTemplate } from '../api/worker.ts';
import type { Demand, Promises, WorkerSnapshot } from './scheduling.ts';

/** A session that is not on a worker yet, and the time for which it will hold capacity. */
export interface Need {
  /** uid of the session: its key in the calendar. */
  key: string;
  /** `namespace/name` of the session, for people. */
  session: string;
  demand: Demand;
  /** The worker must be ready by then: bootLeadTime before the start; creation for a session that starts as soon as possible. */
  from: Date;
  /** When it will have given the worker back if its end is like that of most. */
  until: Date;
  /** When it will have at the latest: for so long the calendar promises it the worker. */
  limit: Date;
  /** From then on it is looked for a worker: 35 min before the start, or more for a long bootLeadTime. */
  gate: Date;
}

/** A template, and what it means to make a worker of it. */
export interface TemplateView {
  name: string;
  /** May workers be made of it: it is enabled, and its provider can make them. */
  canLaunch: boolean;
  /** An empty worker of it, Running, as far as that is known before there is one. */
  fresh: WorkerSnapshot;
  costPerHour: number;
  minWorkers: number;
  maxWorkers: number;
  /** From the launch to Running: P95 of its own boots, its startupTime until there are ten. */
  leadTime: number;
  idleTimeout: number;
  /** No launch before then, after launches that failed. */
  notBefore: Date | undefined;
  /** They failed so often that it is quarantined until `notBefore`; after that one launch at a time is tried. */
  quarantined: boolean;
}

/**
 * - `running`: takes sessions. `coming`: on its way to Running. `stopped`: was stopped by the auto-scaler, and may be
 *   started again. `draining`: is being drained by the auto-scaler, and may be kept.
 * - `unusable`: exists (and counts for the limits), and is no capacity: not healthy, or a person wants it so.
 * - `gone`: Terminated or Failed; counts for nothing.
 */
export type Standing = 'running' | 'coming' | 'stopped' | 'draining' | 'unusable' | 'gone';

export interface WorkerView {
  standing: Standing;
  template: string;
  /** Was it made by a provider that can stop it? A static host is not ours to stop. */
  stoppable: boolean;
  /** As the scheduler sees it; one that does not run, as it will be once it does. */
  snapshot: WorkerSnapshot;
  /** What is bound to it, and when each gives its capacity back at the latest. */
  holds: readonly { demand: Demand; until: Date }[];
  /** Sessions in Scheduled..Stopped on it. */
  bound: number;
  /** When it set out for Running, for one that is `coming`. */
  launchedAt: Date | undefined;
  lastActivityAt: Date;
  lastResumedAt: Date | undefined;
  /** A person forbade to stop it. */
  keep: boolean;
}

export interface Fleet {
  now: Date;
  /** All sessions that wait or will wait for a worker within the horizon, in any order. */
  needs: readonly Need[];
  workers: readonly WorkerView[];
  templates: readonly TemplateView[];
  /** MAX_WORKERS of the installation. */
  maxWorkers: number;
  /** What is promised on the workers; undefined: nothing is, and what fits now fits. */
  calendar: { draft: () => Promises } | undefined;
}

/** CML's limit for a Personal licence, before the licence of a real worker was read (contract §7). */
const PERSONAL_NODES = 20;

/** Only bare metal runs KVM guests on EC2 (contract §3.3). */
const isBareMetal = (instanceType: string | undefined): boolean => /\.metal(-|$)/.test(instanceType ?? '');

/**
 * A new worker of a template as the scheduler would see it. What only a running host can say (image, CML version, node
 * definitions) is taken from `example`, the newest worker of the template that has said it.
 */
export function freshWorker({ metadata, spec }: WorkerTemplate, example: Worker | undefined): WorkerSnapshot {
  const offer = offerOf({ templateName: metadata.name, provider: spec.provider, desiredState: 'Running' }, spec);
  const known = example?.status;
  return {
    name: `a new worker of ${metadata.name}`, phase: 'Running', schedulable: offer !== undefined, draining: false, provider: spec.provider,
    license: known?.license?.product ?? spec.licenseType,
    nodeLimit: Math.min(spec.maxNodes, known?.license?.nodeLimit ?? (spec.licenseType === 'Personal' ? PERSONAL_NODES : Infinity)),
    declared: offer?.resources ?? { cpu: 0, memory: 0, storage: 0 },
    used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, sessions: 0,
    portRange: offer?.ports ?? DEFAULT_PORT_RANGE, takenPorts: new Set(),
    // The newest match of the pattern is not known before a launch; a definition that asks for the same pattern fits.
    imageName: known?.imageName ?? spec.imagePattern,
    cmlVersion: known?.cmlVersion,
    nodeDefinitions: known?.nodeDefinitions && new Set(known.nodeDefinitions),
    nestedVirtualization: known?.nestedVirtualization ?? isBareMetal(spec.instanceType),
    reusableLabs: [],
  };
}

/**
 * Could the session run on the worker if nothing else did? A version that nobody knows yet is no objection: the first
 * worker of a template tells it, and then it is known.
 */
export function fitsEmpty(worker: WorkerSnapshot, demand: Demand): boolean {
  const empty: WorkerSnapshot = { ...worker, phase: 'Running', schedulable: true, draining: false, used: { cpu: 0, memory: 0, storage: 0, nodes: 0 }, takenPorts: new Set() };
  return rejection(empty, asFarAsKnown(worker, demand)) === undefined;
}

/** The demand without what the worker cannot be asked for yet. */
export function asFarAsKnown(worker: Pick<WorkerSnapshot, 'cmlVersion'>, demand: Demand): Demand {
  if (worker.cmlVersion !== undefined) return demand;
  return { ...demand, images: demand.images.map(({ namePattern, nodeDefinitions }) => ({ namePattern, nodeDefinitions })) };
}

const NAME_MAX = 63;

/**
 * The name of the next worker of a template: `<template>-<n>` with the first number that is not taken. Whoever decides
 * on the same fleet finds the same name, so that a repeated creation meets its first one instead of making a second.
 * @param isTaken whether a Worker bears the name, or a session or Lab still speaks of a former one
 */
export function nextWorkerName({ name, uid }: { name: string; uid: string }, isTaken: (name: string) => boolean): string {
  const digest = sha256Hex(uid).slice(0, 8);
  // Names serve as label values, too; of a longer template name the beginning and a digest are kept.
  const prefix = name.length + 5 <= NAME_MAX ? name : `${name.slice(0, NAME_MAX - 14).replace(/[-.]+$/, '')}-${digest}`;
  for (let number = 1; ; number++) {
    const candidate = `${prefix}-${number}`;
    if (!isTaken(candidate)) return candidate;
  }
}
