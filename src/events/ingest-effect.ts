/**
 * Stores the effect of a consumed event: the ScoreReport first, if there is one, then one status write that holds the
 * effect, the inbox and the outbox together. Nothing is remembered here: after a crash at any point the sender's next
 * try finds what is stored and goes on from it.
 */
import { LABLET_SESSIONS } from '../api/kinds.ts';
import { consume } from '../core/session/consume.ts';
import { NotFoundError } from '../kube/errors.ts';
import { decideAndWrite, writeStatus } from '../runtime/status-writer.ts';
import { ensureReport } from './score-reports.ts';
import type { ConsumedEvent } from '../api/events.ts';
import type { LabletSession, LabletSessionStatus } from '../api/labletsession.ts';
import type { Consumption, ConsumeResult } from '../core/session/consume.ts';
import type { SessionWorld } from '../core/session/world.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Amend } from '../runtime/status-writer.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface EffectDeps {
  readonly client: KubeClient;
  readonly metrics: Metrics;
  /** What the decision may know about the session, from the caches. */
  readonly world: (session: LabletSession) => Promise<SessionWorld>;
  /** A last word on the status that is written (the emitter's acknowledgements). */
  readonly amend?: Amend<LabletSessionStatus, LabletSession> | undefined;
  /** Told of each write: to take it into the cache, wake the controller, count transitions, record notices. */
  readonly stored?: (before: LabletSession, after: LabletSession, decision: Consumption) => void;
}

/** What became of the event. `Gone`: the session was deleted meanwhile. `NotReady`: a result came, and its definition cannot be read. */
export type EffectResult = ConsumeResult | 'Gone' | 'NotReady';

const WRITES_NOTHING: ReadonlySet<EffectResult> = new Set(['Full', 'Duplicate', 'Moot']);

interface Seen {
  readonly session: LabletSession;
  readonly world: SessionWorld;
}

/** @throws KubeError if the API server is away or keeps answering with conflicts: nothing may be acknowledged then */
export async function storeEffect(deps: EffectDeps, cached: LabletSession, event: ConsumedEvent, now: Date): Promise<EffectResult> {
  const { name, namespace, uid } = cached.metadata;
  const look = async (session: LabletSession): Promise<Seen> => ({ session, world: await deps.world(session) });
  const read = async (): Promise<Seen> => {
    const live = await deps.client.get(LABLET_SESSIONS, name, namespace);
    if (live.metadata.uid !== uid) throw new SessionGone();
    return look(live);
  };
  let result: EffectResult = 'Ignored';
  const decide = ({ session, world }: Seen): Consumption | undefined => {
    // A report names what was graded: without the definition a result would be lost.
    if (event.type === 'grading.session.completed' && session.status?.definitionVersion !== undefined && world.definition.state !== 'ready') {
      result = 'NotReady';
      return undefined;
    }
    const decision = consume(session, event, world, now);
    result = decision.result;
    return WRITES_NOTHING.has(result) ? undefined : decision;
  };
  const write = async (seen: Seen, decision: Consumption): Promise<Seen> => {
    const final = await withReports(deps, seen, event, now, decision);
    result = final.result;
    const after = await writeStatus({ client: deps.client, resource: LABLET_SESSIONS, object: seen.session, next: final.status, amend: deps.amend, metrics: deps.metrics });
    deps.stored?.(seen.session, after, final);
    return { ...seen, session: after };
  };
  try {
    await decideAndWrite({ first: await look(cached), read, decide, write });
  } catch (error) {
    if (error instanceof SessionGone || error instanceof NotFoundError) return 'Gone';
    throw error;
  }
  return result;
}

class SessionGone extends Error {}

/**
 * Creates the reports of a decision. A report that exists already is the result, whatever this event says (it was
 * stored before a crash, or by a poll): then the decision is taken again from its words.
 */
async function withReports(deps: EffectDeps, { session, world }: Seen, event: ConsumedEvent, now: Date, decision: Consumption): Promise<Consumption> {
  let final = decision;
  for (const report of decision.reports) {
    const existing = await ensureReport(deps.client, session, report);
    if (!existing) continue;
    const { score, maxScore, cutScore, passed, sections, submittedAt } = existing.spec;
    if (event.type === 'grading.session.completed') {
      final = consume(session, { ...event, data: { ...event.data, score, maxScore, cutScore, passed, sections } }, world, now);
    }
    if (final.status.scoreReport?.name === report.name) final.status.scoreReport.submittedAt = submittedAt;
  }
  return final;
}
