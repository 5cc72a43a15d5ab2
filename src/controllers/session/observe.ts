/** What is asked of LDS now and then while a candidate may be working: the truth without the event. */
import type { LabletSession } from '../../api/labletsession.ts';
import type { Signal } from '../../core/session/world.ts';
import type { LdsSessionState } from '../../clients/lds/port.ts';
import type { Deps } from '../deps.ts';
import type { Logger } from '../../telemetry/log.ts';

const STARTED: ReadonlySet<LdsSessionState> = new Set(['RUNNING', 'PAUSED', 'USER_FINISHED', 'ARCHIVING', 'ARCHIVED']);
const ENDED: ReadonlySet<LdsSessionState> = new Set(['USER_FINISHED', 'ARCHIVING', 'ARCHIVED']);

/** Remembers when each session was last asked about; a restart asks once more, which is harmless. */
export class LdsPoller {
  private readonly askedAt = new Map<string, number>();

  /** Asks LDS about a Ready or Running session if it is time. */
  async signals(deps: Deps, session: LabletSession, signal: AbortSignal, log: Logger): Promise<{ signals: Signal[]; nextMs: number | undefined }> {
    const { uid } = session.metadata;
    const id = session.status?.userSession?.ldsSessionId;
    const phase = session.status?.phase;
    if (id === undefined || !deps.settings.lds || (phase !== 'Ready' && phase !== 'Running')) {
      this.askedAt.delete(uid);
      return { signals: [], nextMs: undefined };
    }
    const period = deps.settings.timeouts.pollLds;
    const now = deps.clock.monotonic();
    const last = this.askedAt.get(uid);
    // Ready for just now: the first question comes after a period, the event is faster.
    if (last === undefined) this.askedAt.set(uid, now);
    const dueIn = last === undefined ? period : last + period - now;
    if (dueIn > 0) return { signals: [], nextMs: dueIn };
    this.askedAt.set(uid, now);
    try {
      const { state } = await deps.clients.lds(deps.settings.lds).session(id, { signal });
      return { signals: seenIn(uid, state), nextMs: period };
    } catch (error) {
      log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'LDS could not be asked about the session');
      return { signals: [], nextMs: period };
    }
  }
}

function seenIn(uid: string, state: LdsSessionState): Signal[] {
  const signal = (type: 'lds.session.started' | 'lds.session.ended'): Signal => ({ actor: 'poll', event: { type, id: `poll-${uid}`, source: 'poll', data: {} } });
  return [...(STARTED.has(state) ? [signal('lds.session.started')] : []), ...(ENDED.has(state) ? [signal('lds.session.ended')] : [])];
}
