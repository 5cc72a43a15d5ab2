/** The pass over one LabletDefinition: read the topology if it is time, judge, store the version, write once. */
import { ANNOTATIONS, FINALIZER } from '../../api/group.ts';
import { LABLET_DEFINITIONS } from '../../api/kinds.ts';
import { isDeleting, objectKey } from '../../api/meta.ts';
import { countSessions, inspect, judgeDefinition } from '../../core/definition-lifecycle.ts';
import { fromTime } from '../../core/time.ts';
import { statusMergePatch } from '../../kube/patch.ts';
import { Controller } from '../../runtime/controller.ts';
import { addFinalizer, removeFinalizer } from '../../runtime/finalizers.ts';
import { after, done, soonest } from '../../runtime/result.ts';
import { informerSource } from '../../runtime/source.ts';
import { decideAndWrite, writeStatus } from '../../runtime/status-writer.ts';
import { CounterPace } from '../pace.ts';
import { revisionName } from '../../core/frozen-definition.ts';
import { RevisionTakenError, forget, freeze } from './freeze.ts';
import { pinnedSessions, readContent, sessionsByVersion } from './gather.ts';
import { deletionWaits, syncFailed, versionActive } from './notices.ts';
import { warmPoolStatus } from '../scheduler/warm-pool.ts';
import { ReadingSchedule } from './schedule.ts';
import { countDropped, lastEvents } from '../last-events.ts';
import type { Lab } from '../../api/lab.ts';
import type { LabletDefinition } from '../../api/labletdefinition.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { DefinitionJudgement, DefinitionWorld, FrozenVersion } from '../../core/definition-lifecycle.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { Source } from '../../runtime/source.ts';
import type { Deps } from '../deps.ts';
import type { Reading } from './gather.ts';

export function definitionController(deps: Deps): Controller {
  const passes = new DefinitionPasses(deps);
  return new Controller({
    name: 'definition', sources: definitionSources(deps), clock: deps.clock, log: deps.log, metrics: deps.metrics,
    reconcile: (key, pass) => passes.reconcile(key, pass),
  });
}

/** Itself, the sessions that come to use it or no longer do, and the labs of its warm pool. */
function definitionSources({ caches }: Deps): Source[] {
  const use = (session: LabletSession | undefined): string => `${session?.status?.definitionVersion ?? ''}/${session?.status?.phase === 'Terminated' ? 'over' : 'live'}`;
  return [
    informerSource(caches.definitions),
    informerSource(caches.sessions, (old, next) => {
      const session = next ?? old;
      if (!session || (old && next && use(old) === use(next))) return [];
      return [`${session.metadata.namespace ?? ''}/${session.spec.definitionRef.name}`];
    }),
    informerSource(caches.labs, (old, next) => {
      const lab = next ?? old;
      const free = (object: Lab | undefined): string => (object ? `${object.status?.state ?? ''}/${object.spec.sessionRef?.uid ?? ''}` : '');
      const key = lab && `${lab.spec.definitionRef.namespace}/${lab.spec.definitionRef.name}`;
      return key === undefined || free(old) === free(next) || !caches.definitions.get(key)?.spec.warmPool.size ? [] : [key];
    }),
  ];
}

class DefinitionPasses {
  private readonly deps: Deps;
  private readonly pace: CounterPace;
  private readonly schedule: ReadingSchedule;

  constructor(deps: Deps) {
    this.deps = deps;
    this.pace = new CounterPace(deps.clock);
    this.schedule = new ReadingSchedule(deps.clock, deps.settings.scale);
  }

  async reconcile(key: string, pass: PassContext): Promise<Outcome> {
    const { deps, schedule } = this;
    let definition = deps.caches.definitions.get(key);
    if (!definition || definition.metadata.annotations?.[ANNOTATIONS.paused] !== undefined) return done();
    if (isDeleting(definition)) return this.letGo(definition, pass);
    if (!definition.metadata.finalizers?.includes(FINALIZER)) {
      definition = await addFinalizer({ client: deps.client, resource: LABLET_DEFINITIONS, object: definition, finalizer: FINALIZER, signal: pass.signal });
      deps.caches.definitions.observe(definition);
    }
    const reading = schedule.dueIn(definition) === 0 ? await readContent(deps, definition, { signal: pass.signal, etag: schedule.etag(definition) }) : undefined;
    const written = await this.write(definition, reading, pass);
    const next = schedule.dueIn(written.definition);
    return soonest(next === undefined ? done() : after(next, 'the topology is read again'), written.counters);
  }

  private async write(definition: LabletDefinition, reading: Reading | undefined, pass: PassContext): Promise<{ definition: LabletDefinition; counters: Outcome }> {
    const { deps } = this;
    const { name, namespace, uid } = definition.metadata;
    let counters = done();
    const stored = await decideAndWrite<LabletDefinition, DefinitionJudgement>({
      first: definition,
      read: () => deps.client.get(LABLET_DEFINITIONS, name, namespace, { signal: pass.signal }),
      decide: (live) => {
        // Somebody made it anew, or raised the version meanwhile: what was read is not what it asks for.
        if (live.metadata.uid !== uid || live.metadata.generation !== definition.metadata.generation) return undefined;
        return judgeDefinition(live, reading?.content, this.world(live), deps.clock.now());
      },
      write: async (live, decided) => {
        const judgement = decided.freeze ? await this.store(live, decided, pass) : decided;
        const { status } = judgement;
        const alone = statusMergePatch(live, status) === undefined;
        countSessions(status, this.world(live).live);
        const warm = warmPoolStatus(deps, live);
        if (warm) status.warmPool = warm;
        const waitMs = this.pace.waitMs(uid);
        if (alone && waitMs > 0 && statusMergePatch(live, status)) {
          counters = after(waitMs, 'the session counters');
          return live;
        }
        const written = await writeStatus({ client: deps.client, resource: LABLET_DEFINITIONS, object: live, next: status, amend: deps.outbox.amend, signal: pass.signal, metrics: deps.metrics });
        if (written !== live) this.pace.wrote(uid);
        deps.caches.definitions.observe(written);
        this.tell(written, judgement, pass);
        return written;
      },
    });
    if (reading && stored.metadata.generation === definition.metadata.generation) this.schedule.read(stored, reading, stored.status?.conditions?.find(({ type }) => type === 'Synced')?.status !== 'True');
    return { definition: stored, counters };
  }

  private world(definition: LabletDefinition): DefinitionWorld {
    const { emit, archive } = this.deps.settings;
    return { live: sessionsByVersion(pinnedSessions(this.deps, definition)), emit, archive };
  }

  /** Stores the version first, so that no status ever names one that cannot be read. What is stored already is the truth. */
  private async store(definition: LabletDefinition, judgement: DefinitionJudgement, pass: PassContext): Promise<DefinitionJudgement> {
    const { deps } = this;
    if (!judgement.freeze) return judgement;
    let stored: FrozenVersion;
    try {
      stored = await freeze(deps.client, definition, judgement.freeze, pass.signal);
    } catch (error) {
      if (!(error instanceof RevisionTakenError)) throw error;
      return judgeDefinition(definition, { state: 'missing', reason: 'RevisionTaken', message: error.message }, this.world(definition), deps.clock.now());
    }
    const from = `ControllerRevision ${revisionName(definition.metadata.name, stored.version)}`;
    const final = stored.sha256 === judgement.freeze.sha256
      ? judgement
      : judgeDefinition(definition, inspect(new TextEncoder().encode(stored.topology), from, stored.spec), this.world(definition), deps.clock.now());
    await forget(deps.client, definition, final.forget, pass.signal);
    final.status.versions = final.status.versions?.map((known) => (known.version === stored.version ? { ...known, revision: revisionName(definition.metadata.name, stored.version) } : known));
    return final;
  }

  private tell(definition: LabletDefinition, { freeze: made, problem, dropped }: DefinitionJudgement, pass: PassContext): void {
    const { events, metrics } = this.deps;
    if (made) {
      pass.log.info({ definition: objectKey(definition), uid: definition.metadata.uid, version: made.version, sha256: made.sha256 }, 'a version is active');
      events.record(versionActive(definition, made.version));
    }
    if (problem) {
      pass.log.warn({ definition: objectKey(definition), uid: definition.metadata.uid, reason: problem.reason, message: problem.message }, 'the topology cannot be used');
      events.record(syncFailed(definition, problem.reason, problem.message));
    }
    countDropped(metrics, dropped);
  }

  /** A deleted definition goes when no live session uses it and its events are delivered, or their time is over. */
  private async letGo(definition: LabletDefinition, pass: PassContext): Promise<Outcome> {
    const { deps } = this;
    if (!definition.metadata.finalizers?.includes(FINALIZER)) return done();
    const pinned = pinnedSessions(deps, definition);
    if (pinned.length > 0) {
      deps.events.record(deletionWaits(definition, pinned.map(objectKey)));
      return done();
    }
    const wait = await lastEvents(deps, definition, fromTime(definition.metadata.deletionTimestamp), pass);
    if (wait) return wait;
    await removeFinalizer({ client: deps.client, resource: LABLET_DEFINITIONS, object: definition, finalizer: FINALIZER, signal: pass.signal });
    this.schedule.forget(definition.metadata.uid);
    this.pace.forget(definition.metadata.uid);
    return done();
  }
}
