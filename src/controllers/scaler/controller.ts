/**
 * The auto-scaler (contract §5): looks at the whole fleet and at the bookings of the next hours, decides (pure), and
 * makes it true. Runs on the leader only. It makes Workers of templates whose provider can, never touches a spec that a
 * person wrote, and drains nothing unless SCALE_DOWN says so.
 */
import { isDeleting, objectKey } from '../../api/meta.ts';
import { downRules, scaleDown } from '../../core/scaling-down.ts';
import { scaleUp } from '../../core/scaling-up.ts';
import { earliest } from '../../core/time.ts';
import { Controller } from '../../runtime/controller.ts';
import { after, done } from '../../runtime/result.ts';
import { informerSource } from '../../runtime/source.ts';
import { launch, retire, setDrain, writeLearned } from './effects.ts';
import { gather, isOver } from './gather.ts';
import { Journal, skipped } from './journal.ts';
import type { UpDecision } from '../../core/scaling-decision.ts';
import type { PassContext } from '../../runtime/pass.ts';
import type { Outcome } from '../../runtime/result.ts';
import type { Source } from '../../runtime/source.ts';
import type { Deps } from '../deps.ts';
import type { Gathered } from './gather.ts';

/** The fleet is one piece of work: a decision about one worker depends on all others. */
const KEY = 'fleet';
/** A look each 30 s (contract §5). Milliseconds, scaled. */
const PERIOD = 30_000;
/** What happens within this is looked at together (real time). */
const TOGETHER_MS = 500;

export function scalerController(deps: Deps): Controller {
  const scaler = new Scaler(deps);
  return new Controller({
    name: 'scaler', sources: sources(deps), clock: deps.clock, log: deps.log, metrics: deps.metrics, concurrency: 1,
    reconcile: (_key, pass) => scaler.look(pass),
  });
}

class Scaler {
  private readonly deps: Deps;
  private readonly journal: Journal;

  constructor(deps: Deps) {
    this.deps = deps;
    this.journal = new Journal(deps);
  }

  async look(pass: PassContext): Promise<Outcome> {
    const { deps, journal } = this;
    if (!deps.caches.templates.list().some(({ spec }) => spec.provider !== 'static')) return done();
    const calendar = await deps.calendar.ready();
    const now = deps.clock.now();
    const seen = gather(deps, calendar, now);
    for (const { template, status } of seen.learned) await writeLearned(deps, template, status, pass.signal);
    journal.follow(deps.caches.workers.list(), pass.log);
    const up = scaleUp(seen.fleet);
    let scaledUp = false;
    for (const decision of up.decisions) scaledUp = (await this.carryOut(decision, pass)) || scaledUp;
    const wakeAt = earliest(up.wakeAt, deps.settings.scaleDown ? await this.down(seen, scaledUp, pass) : undefined);
    await this.clean(now, pass);
    journal.endOfLook();
    const period = PERIOD / deps.settings.scale;
    return after(Math.min(period, wakeAt ? wakeAt.getTime() - now.getTime() : period), 'the fleet is looked at again');
  }

  /** @returns whether there will be more capacity */
  private async carryOut(decision: UpDecision, { signal, log }: PassContext): Promise<boolean> {
    const { deps, journal } = this;
    const { caches } = deps;
    const { reason, message } = decision;
    if (decision.action === 'refuse') {
      const session = caches.sessions.get(decision.sessions[0] ?? '');
      const regarding = decision.template === undefined ? session : caches.templates.get(decision.template);
      journal.standing(`${decision.template ?? decision.sessions[0] ?? ''}/${reason}`, { decision: 'scale_up_rejected', reason, message, regarding, warning: true }, log);
      return false;
    }
    if (decision.action === 'launch') {
      const template = caches.templates.get(decision.template);
      if (!template || isDeleting(template)) return false;
      const worker = await launch(deps, template, signal);
      journal.done({ decision: 'scale_up_accepted', reason, message: `${objectKey(worker)}: ${message}`, regarding: template }, log);
      return true;
    }
    const worker = await setDrain(deps, decision.worker, undefined, signal);
    if (worker) journal.done({ decision: 'scale_up_accepted', reason: decision.action === 'resume' ? 'Restarted' : 'DrainCancelled', message, regarding: worker }, log);
    return worker !== undefined;
  }

  private async down(seen: Gathered, scaledUp: boolean, { signal, log }: PassContext): Promise<Date | undefined> {
    const { deps, journal } = this;
    const { decisions, wakeAt } = scaleDown({ ...seen.fleet, lastDrainAt: seen.lastDrainAt, scaledUp, rules: downRules(deps.settings.scale) });
    for (const decision of decisions) {
      const { worker: name, reason, message } = decision;
      if (decision.action === 'skip') {
        journal.standing(name, { decision: skipped(decision.reason), reason, message, regarding: deps.caches.workers.get(name) }, log);
        continue;
      }
      const worker = await setDrain(deps, name, { reason }, signal);
      if (worker) journal.done({ decision: 'scale_down_initiated', reason, message, regarding: worker }, log);
      else journal.done({ decision: 'scale_down_failed', reason: 'ChangedMeanwhile', message: 'Somebody else decided about it meanwhile.', regarding: deps.caches.workers.get(name) }, log);
    }
    return wakeAt;
  }

  /** Workers that it made and that have been over for long are deleted. */
  private async clean(now: Date, { signal }: PassContext): Promise<void> {
    const { deps } = this;
    const templates = new Set(deps.caches.templates.list().map(({ metadata }) => metadata.uid));
    for (const worker of deps.caches.workers.list()) if (!isDeleting(worker) && isOver(worker, templates, now, deps.settings.timeouts.historyTtl)) await retire(deps, worker, signal);
  }
}

/** What may call for another number of workers: sessions that wait or have ended, workers, templates. */
function sources({ caches }: Deps): Source[] {
  const soon = (informer: Parameters<typeof informerSource>[0], concerns: (old: unknown, next: unknown) => boolean): Source => {
    const source = informerSource(informer, (old, next) => (concerns(old, next) ? [KEY] : []));
    return { start: (wake) => source.start((key, options) => wake(key, { ...options, delayMs: TOGETHER_MS })) };
  };
  const phaseOf = (object: unknown): unknown => (object as { status?: { phase?: string } } | undefined)?.status?.phase;
  const versionOf = (object: unknown): unknown => (object as { metadata?: { resourceVersion?: string } } | undefined)?.metadata?.resourceVersion;
  return [
    soon(caches.sessions, (old, next) => phaseOf(old) !== phaseOf(next)),
    soon(caches.workers, (old, next) => phaseOf(old) !== phaseOf(next) || old === undefined || next === undefined),
    soon(caches.templates, (old, next) => versionOf(old) !== versionOf(next)),
  ];
}
