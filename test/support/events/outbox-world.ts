import { recordEvent } from '../../../src/core/outbox.ts';
import { LABLET_SESSIONS } from '../../../src/api/kinds.ts';
import { Emitter } from '../../../src/events/emitter.ts';
import { HttpSink } from '../../../src/events/sink-http.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { TermControl } from '../../../src/runtime/runnable.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import type { EmitterDeps, OutboxFeed } from '../../../src/events/emitter.ts';
import type { OutboxObject, StatusUpdate } from '../../../src/events/status-update.ts';
import type { Resource } from '../../../src/kube/types.ts';

/** Objects with outboxes, in memory: what the emitter sees of the API server. */
export class OutboxWorld implements OutboxFeed {
  readonly resource: Resource<OutboxObject> = LABLET_SESSIONS;
  /** Status writes of the emitter. */
  writes = 0;
  readonly #objects = new Map<string, OutboxObject>();
  readonly #handlers: Parameters<OutboxFeed['onChange']>[0][] = [];

  list(): OutboxObject[] {
    return [...this.#objects.values()];
  }

  onChange(handler: Parameters<OutboxFeed['onChange']>[0]): void {
    this.#handlers.push(handler);
    for (const object of this.#objects.values()) handler(undefined, object);
  }

  get(uid: string): OutboxObject {
    const object = this.#objects.get(uid);
    if (!object) throw new Error(`no object ${uid}`);
    return object;
  }

  add(name: string, uid: string): OutboxObject {
    return this.#put({ apiVersion: 'lablet.dev/v1alpha1', kind: 'LabletSession', metadata: { name, namespace: 'exams', uid, resourceVersion: '1', creationTimestamp: '2026-11-23T10:00:00Z' } });
  }

  /** One transition with one event, written as a controller would: with the emitter's last word. */
  transition(uid: string, emitter?: Emitter, record: (status: NonNullable<OutboxObject['status']>) => void = (status) => stopping(status, uid)): OutboxObject {
    const object = this.get(uid);
    const status = structuredClone(object.status ?? {});
    record(status);
    return this.#put({ ...object, status: emitter ? emitter.amend(status, object) : status });
  }

  markDeleted(uid: string): void {
    const object = this.get(uid);
    this.#put({ ...object, metadata: { ...object.metadata, deletionTimestamp: '2026-11-23T11:00:00Z' } });
  }

  remove(uid: string): void {
    const object = this.get(uid);
    this.#objects.delete(uid);
    for (const handler of this.#handlers) handler(object, undefined);
  }

  readonly updateStatus: StatusUpdate = async (_resource, object, decide) => {
    const stored = this.#objects.get(object.metadata.uid);
    if (!stored) return undefined;
    const next = decide(stored);
    if (!next) return stored;
    this.writes += 1;
    return this.#put({ ...stored, status: next });
  };

  #put(object: OutboxObject): OutboxObject {
    const old = this.#objects.get(object.metadata.uid);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(Number(object.metadata.resourceVersion) + 1) } };
    this.#objects.set(object.metadata.uid, stored);
    for (const handler of this.#handlers) handler(old, stored);
    return stored;
  }
}

const stopping = (status: NonNullable<OutboxObject['status']>, uid: string): void =>
  void recordEvent(status, 'ccm.lablet.session.stopping', { session_id: uid }, { uid, now: new Date('2026-11-23T10:00:00Z') });

export const uidOf = (n: number): string => `7d1f0c2a-3e9b-4f5d-8a6c-${String(n).padStart(12, '0')}`;

export interface RunningEmitter {
  readonly emitter: Emitter;
  readonly metrics: ReturnType<typeof createMetrics>;
  /** Kills it: requests under way are broken off. */
  kill(): Promise<void>;
  /** Ends it in order, as a rollout does. */
  stop(): Promise<void>;
}

/** An emitter with short pauses that runs until it is killed. */
export function startEmitter(world: OutboxWorld, url: URL, options: Partial<EmitterDeps> & { timeoutMs?: number } = {}): RunningEmitter {
  const metrics = createMetrics();
  const sink = new HttpSink({ url, mode: 'binary', timeoutMs: options.timeoutMs });
  const { tuning, ...rest } = options;
  const emitter = new Emitter({
    feeds: [world], sinks: [sink], updateStatus: world.updateStatus, source: '/ccm/lablet-controller', clock: systemClock, log: silentLog, metrics,
    leadership: { effectSignal: () => new AbortController().signal }, readSecret: async () => null,
    tuning: { backoffBaseMs: 5, backoffMaxMs: 50, breakerPauseMs: 5, quietMs: 50, ...tuning }, ...rest,
  });
  const term = new TermControl();
  const done = emitter.run(term);
  const kill = async (): Promise<void> => {
    term.end(new Error('killed'));
    await done;
    await sink.close();
  };
  const stop = async (): Promise<void> => {
    term.close(new Error('stopped'));
    await done;
  };
  return { emitter, metrics, kill, stop };
}
