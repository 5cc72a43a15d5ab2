import { randomUuid, seededRandom, type Random } from '../common/random.ts';
import { gradingRuleFor, type GradingRule, type Script } from '../common/script.ts';
import type { EventSender } from '../common/event-sender.ts';
import type { Timers } from '../common/time.ts';
import { HttpProblem } from '../common/web.ts';
import { completedData, failedData, judge, type ScoreReport } from './report.ts';

export interface Pod {
  readonly id: string;
  readonly devices: readonly Record<string, unknown>[];
}

interface RuleSet {
  cutScore?: number | undefined;
  minScore?: number | undefined;
  rereadScore?: boolean | undefined;
}

export interface Part {
  readonly id: string;
  status: 'CREATED' | 'POD_ASSIGNED' | 'GRADING' | 'GRADED' | 'FAILED' | 'SUBMITTED';
  statusReason: string | null;
  pod: Pod | null;
  scoreReport: ScoreReport | null;
  readonly ruleSet: RuleSet;
  synchronized: number;
  /** How often grading was asked for, and how often it ran: a call during a run starts no second one. */
  gradeCalls: number;
  runs: number;
}

export interface GeSession {
  readonly id: string;
  readonly candidateId: string;
  readonly lds: Record<string, unknown> | null;
  readonly createdAt: string;
  readonly parts: Part[];
}

/** The sessions of one GradingEngine; results come as the script says. */
export class GradingEngine {
  readonly #sessions = new Map<string, GeSession>();
  readonly #rules: Script['grading'];
  readonly #sender: EventSender;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #seed: string;
  readonly #shape: 'flat' | 'nested';
  #random: Random;

  constructor(parts: { rules: Script['grading']; shape: 'flat' | 'nested'; sender: EventSender; timers: Timers; now: () => number; seed: string }) {
    this.#rules = parts.rules;
    this.#shape = parts.shape;
    this.#sender = parts.sender;
    this.#timers = parts.timers;
    this.#now = parts.now;
    this.#seed = parts.seed;
    this.#random = seededRandom(`${parts.seed}/grading`);
  }

  reset(): void {
    this.#timers.clear();
    this.#sessions.clear();
    this.#random = seededRandom(`${this.#seed}/grading`);
  }

  sessions(): GeSession[] {
    return [...this.#sessions.values()];
  }

  /** @throws HttpProblem 404 */
  session(id: string): GeSession {
    return this.#sessions.get(id) ?? notFound(`Session not found: ${id}`);
  }

  /** @throws HttpProblem 404 */
  part(sessionId: string, partId: string): Part {
    return this.session(sessionId).parts.find(({ id }) => id === partId) ?? notFound(`Part not found: ${partId}`);
  }

  /** Callers may choose the id, which makes a repeated create safe. @throws HttpProblem 409 when it is taken */
  create(request: { id?: string | undefined; candidateId: string; lds?: Record<string, unknown> | undefined; parts: readonly { id: string; pod?: Pod | undefined }[] }): GeSession {
    const id = request.id ?? randomUuid(this.#random);
    if (this.#sessions.has(id)) throw new HttpProblem(409, `Session already exists: ${id}`);
    const session: GeSession = { id, candidateId: request.candidateId, lds: request.lds ?? null, createdAt: new Date(this.#now()).toISOString(), parts: [] };
    this.#sessions.set(id, session);
    for (const part of request.parts) this.addPart(id, part);
    return session;
  }

  /** @throws HttpProblem 404, 409 */
  addPart(sessionId: string, { id, pod }: { id: string; pod?: Pod | undefined }): GeSession {
    const session = this.session(sessionId);
    if (session.parts.some((part) => part.id === id)) throw new HttpProblem(409, `Part already exists: ${id}`);
    session.parts.push({
      id, status: pod ? 'POD_ASSIGNED' : 'CREATED', statusReason: null, pod: pod ?? null, scoreReport: null,
      ruleSet: {}, synchronized: 0, gradeCalls: 0, runs: 0,
    });
    return session;
  }

  /** Assigns, replaces or (null) takes away the pod that is graded. */
  assignPod(sessionId: string, partId: string, pod: Pod | null, mode: 'new' | 'replace'): Part {
    const part = this.part(sessionId, partId);
    if (mode === 'new' && part.pod !== null) throw new HttpProblem(409, `Part ${partId} has a pod already: ${part.pod.id}`);
    if (mode === 'replace' && part.pod === null) throw new HttpProblem(404, `Part ${partId} has no pod`);
    part.pod = pod;
    if (part.status === 'CREATED' || part.status === 'POD_ASSIGNED') part.status = pod ? 'POD_ASSIGNED' : 'CREATED';
    return part;
  }

  /** Starts a run; the result comes later. While one runs, a further call changes nothing. @throws HttpProblem 404, 409 */
  grade(sessionId: string, partId: string): Part {
    const session = this.session(sessionId);
    const part = this.part(sessionId, partId);
    if (part.pod === null) throw new HttpProblem(409, `Part ${partId} has no pod: there is nothing to grade`);
    part.gradeCalls += 1;
    if (part.status === 'GRADING') return part;
    part.status = 'GRADING';
    part.statusReason = null;
    part.runs += 1;
    const rule = gradingRuleFor(this.#rules, session.candidateId);
    if (!rule.never) this.#timers.after(rule.after, () => this.#finish(session, part, rule));
    return part;
  }

  #finish(session: GeSession, part: Part, rule: GradingRule): void {
    const about = { grading_session_id: session.id, session_id: part.pod?.id, part_id: part.id };
    if (rule.fail !== undefined && part.runs <= rule.failTimes) {
      part.status = 'FAILED';
      part.statusReason = rule.fail;
      if (!rule.silent) this.#sender.send('grading.session.failed', session.id, { ...about, ...failedData(rule.fail) });
      return;
    }
    const judged = judge(rule, part.ruleSet.cutScore);
    const again = part.scoreReport === null ? {} : { regrade: true };
    part.status = 'GRADED';
    part.scoreReport = judged.report;
    if (!rule.silent) this.#sender.send('grading.session.completed', session.id, { ...about, ...completedData(judged, rule.shape ?? this.#shape), ...again });
  }
}

function notFound(message: string): never {
  throw new HttpProblem(404, message);
}
