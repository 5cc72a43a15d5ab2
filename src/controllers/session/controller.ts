/** The pass over one LabletSession: gather, judge, act, write once. The rules are in src/core/session/table.ts. */
import { ANNOTATIONS, FINALIZER } from '../../api/group.ts';
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { isDeleting, objectKey } from '../../api/meta.ts';
import { judge } from '../../core/session/judge.ts';
import { heldBack } from '../../core/session/situation.ts';
import { fromTime, plus } from '../../core/time.ts';
import { ConflictError, NotFoundError } from '../../kube/errors.ts';
import { addFinalizer, removeFinalizer } from '../../runtime/finalizers.ts';
import { Controller } from '../../runtime/controller.ts';
import { after, done, soonest } from '../../runtime/result.ts';
import { decideAndWrite, writeStatus } from '../../runtime/status-writer.ts';
import { LabWatch } from './drift.ts';
import { gather } from './gather.ts';
import { holdsPage, nameLeftPage, noteReleased, releaseAfterEnd } from './lds-release.ts';
import { LdsPoller } from './observe.ts';
import { hasPipeline, runSteps, SESSION_PASS_MS } from './pipeline.ts';
import { releaseFor } from './release.ts';
import { ensureReport } from '../../events/score-reports.ts';
import { phaseSpan, sessionAttributes, sessionFields } from '../../events/session-trace.ts';
import { sessionSources } from './sources.ts';
import { tellTransitions } from './tell.ts';
import { lastEvents } from '../last-events.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Judgement } from '../../core/session/judge.ts';
import type { SessionStatus, SessionWorld, Signal } from '../../core/session/world.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Deps } from '../deps.ts';
import type { Progress } from './pipeline.ts';

export function sessionController(deps: Deps): Controller {
  const passes = new SessionPasses(deps);
  return new Controller({
    name: 'session', sources: sessionSources(deps), clock: deps.clock, log: deps.log, metrics: deps.metrics,
    passTimeoutMs: SESSION_PASS_MS, reconcile: (key, pass) => passes.reconcile(key, pass),
  });
}

class SessionPasses {
  private readonly deps: Deps;
  private readonly poller = new LdsPoller();
  private readonly labs = new LabWatch();

  constructor(deps: Deps) {
    this.deps = deps;
  }

  async reconcile(key: string, pass: PassContext): Promise<Outcome> {
    const { caches, tracer } = this.deps;
    const session = caches.sessions.get(key);
    if (!session || session.metadata.annotations?.[ANNOTATIONS.paused] !== undefined) return done();
    const log = pass.log.child(sessionFields(session));
    const span = { name: 'reconcile session', attributes: { ...sessionAttributes(session), 'lablet.reconcile.id': pass.reconcileId }, onlyIfUsed: true };
    return tracer.within(phaseSpan(session), span, () => this.pass(session, { ...pass, log }));
  }

  private async pass(cached: LabletSession, pass: PassContext): Promise<Outcome> {
    const { deps } = this;
    let session = cached;
    const restored = heldBack(session) === 'Restored';
    // What a restored object says of the world is another's: nothing is torn down for it.
    if (isDeleting(session) && (restored || isOver(session))) return this.letGo(session, pass);
    if (!session.metadata.finalizers?.includes(FINALIZER) || session.metadata.annotations?.[ANNOTATIONS.seenUid] === undefined) {
      if (isDeleting(session)) return done();
      const annotations = { [ANNOTATIONS.seenUid]: session.metadata.uid };
      session = await addFinalizer({ client: deps.client, resource: LABLET_SESSIONS, object: session, finalizer: FINALIZER, annotations, signal: pass.signal });
      deps.caches.sessions.observe(session);
    }

    const polled = await this.poller.signals(deps, session, pass.signal, pass.log);
    const looked = await this.labs.look(deps, session, pass);
    const gathered = await gather(deps, session, pass.signal);
    if (looked.gone) gathered.world.lab = { state: 'gone' };
    gathered.world.noRoom = gathered.frozen && (await deps.calendar.noRoom(session, gathered.frozen.definition));
    const first = await this.write(session, gathered.world, polled.signals, [], pass);
    if (first.rows.length > 0) return after(0, 'a transition was written');
    if (restored) return done();
    session = first.session;

    let outcome = until(first.wakeAt, deps.clock.now(), 'a deadline');
    if (polled.nextMs !== undefined) outcome = soonest(outcome, after(polled.nextMs, 'LDS is asked again'));
    if (looked.nextMs !== undefined) outcome = soonest(outcome, after(looked.nextMs, 'the lab is looked at again'));
    // Every step of a pipeline serves its lab: a paused Lab holds them all. The limits of the phase go on.
    if (hasPipeline(session.status) && gathered.lab?.metadata.annotations?.[ANNOTATIONS.paused] === undefined) {
      let stored = session;
      const progress: Progress = await runSteps(deps, session, gathered, pass, async (changes) => {
        stored = (await this.write(stored, gathered.world, [], changes, pass)).session;
        return stored;
      });
      const second = await this.write(stored, gathered.world, progress.signals, progress.changes, pass);
      if (second.rows.length > 0) return after(0, 'a transition was written');
      outcome = soonest(outcome, until(second.wakeAt, deps.clock.now(), 'a deadline'));
      if (progress.waitMs !== undefined) outcome = soonest(outcome, after(progress.waitMs, progress.why));
    }
    return soonest(outcome, await this.afterEnd(session, gathered.world, pass));
  }

  /**
   * Decides on the session with `changes` made to it, and writes the result once. Where somebody else wrote in between,
   * the changes are made on the live object, unless it has gone on to another run, and the decision is taken again.
   */
  private async write(session: LabletSession, world: SessionWorld, signals: readonly Signal[], changes: Progress['changes'], pass: PassContext): Promise<{ session: LabletSession } & Pick<Judgement, 'rows' | 'wakeAt'>> {
    const { deps } = this;
    const { name, namespace, uid } = session.metadata;
    let final: Judgement | undefined;
    const stored = await deps.turns.take(uid, () => decideAndWrite<LabletSession, Judgement>({
      // Whoever had the turn before may have written.
      first: newest(deps, session),
      read: () => deps.client.get(LABLET_SESSIONS, name, namespace, { signal: pass.signal }),
      decide: (live) => {
        if (live.metadata.uid !== uid) return undefined;
        final = judge(withChanges(live, session, changes), world, deps.clock.now(), signals);
        return final;
      },
      write: async (live, judgement) => {
        let decided = judgement;
        for (const report of judgement.reports) {
          const existing = await ensureReport(deps.client, live, report, pass.signal);
          if (existing) decided = judge(withChanges(live, session, changes), { ...world, existingReport: existing.spec }, deps.clock.now(), signals);
        }
        await releaseFor(deps, live, decided.rows, timedOut(decided), pass);
        const written = await writeStatus({
          client: deps.client, resource: LABLET_SESSIONS, object: live, next: observed(decided.status, live), amend: deps.outbox.amend, signal: pass.signal, metrics: deps.metrics,
        });
        deps.caches.sessions.observe(written);
        final = decided;
        tellTransitions(deps, written, decided.rows, decided.notices, decided.dropped);
        return written;
      },
    }));
    return { session: stored, rows: final?.rows ?? [], wakeAt: final?.wakeAt };
  }

  /** A Terminated session is deleted after its history time; until then LDS is told of its end, where it was away. */
  private async afterEnd(session: LabletSession, world: SessionWorld, pass: PassContext): Promise<Outcome> {
    const { clock, settings } = this.deps;
    const terminatedAt = fromTime(session.status?.terminatedAt);
    if (session.status?.phase !== 'Terminated' || !terminatedAt || isDeleting(session)) return done();
    const released = await releaseAfterEnd(this.deps, session, pass);
    if (released && holdsPage(this.deps, session.status)) await this.write(session, world, [], [(draft) => { noteReleased(draft, clock.now()); }], pass);
    const again = released ? done() : after(settings.timeouts.pollLds, 'LDS is told again');
    const at = plus(terminatedAt, settings.timeouts.historyTtl);
    const now = clock.now();
    if (at > now) return soonest(again, after(at.getTime() - now.getTime(), 'the history time'));
    const { name, namespace, uid } = session.metadata;
    await ignoreGone(this.deps.client.delete(LABLET_SESSIONS, name, namespace, { preconditions: { uid }, signal: pass.signal }));
    return done();
  }

  /** A deleted session goes once its last events are delivered and LDS knows of its end, or the time for both is over. */
  private async letGo(session: LabletSession, pass: PassContext): Promise<Outcome> {
    const { deps } = this;
    const { timeouts } = deps.settings;
    const since = fromTime(session.status?.terminatedAt ?? session.metadata.deletionTimestamp) ?? deps.clock.now();
    const released = await releaseAfterEnd(deps, session, pass);
    const left = plus(since, timeouts.deletion).getTime() - deps.clock.now().getTime();
    if (!released && left > 0) return after(Math.min(left, timeouts.pollLds), 'LDS is told again');
    const wait = await lastEvents(deps, session, since, pass);
    if (wait) return wait;
    if (!released) nameLeftPage(deps, session);
    await removeFinalizer({ client: deps.client, resource: LABLET_SESSIONS, object: session, finalizer: FINALIZER, signal: pass.signal });
    return done();
  }
}

/** The session as the cache has it by now, which takes in every write of this process at once. */
function newest({ caches }: Deps, session: LabletSession): LabletSession {
  const cached = caches.sessions.get(objectKey(session));
  return cached?.metadata.uid === session.metadata.uid ? cached : session;
}

/** Nothing more will happen to it: Terminated, or never admitted. */
const isOver = (session: LabletSession): boolean => session.status?.phase === undefined || session.status.phase === 'Terminated';

const timedOut = (decided: Judgement): boolean => decided.rows.includes('T17') && decided.status.history?.at(-1)?.reason === 'TeardownTimeout';

/** The session as it would be with the changes of a run of steps, if it is still in that run. */
function withChanges(live: LabletSession, decidedOn: LabletSession, changes: Progress['changes']): LabletSession {
  const run = (session: LabletSession): string => `${session.status?.phase ?? ''}/${session.status?.pipeline?.name ?? ''}/${session.status?.pipeline?.attempt ?? 0}`;
  if (changes.length === 0 || run(live) !== run(decidedOn)) return live;
  const status: SessionStatus = structuredClone(live.status ?? {});
  for (const change of changes) change(status);
  return { ...live, status };
}

function observed(status: SessionStatus, session: LabletSession): SessionStatus {
  const { generation } = session.metadata;
  // Only with another change: a spec that changes nothing is not worth a write of its own, the next one says it.
  return generation === undefined || JSON.stringify(status) === JSON.stringify(session.status ?? {}) ? status : { ...status, observedGeneration: generation };
}

function until(at: Date | undefined, now: Date, why: string): Outcome {
  return at ? after(at.getTime() - now.getTime(), why) : done();
}

async function ignoreGone(promise: Promise<void>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof NotFoundError) && !(error instanceof ConflictError)) throw error;
  }
}
