import { randomUuid, seededRandom, type Random } from '../common/random.ts';
import { candidateRuleFor, type Script } from '../common/script.ts';
import type { EventSender } from '../common/event-sender.ts';
import type { Timers } from '../common/time.ts';
import { HttpProblem } from '../common/web.ts';

export type LdsState = 'EMPTY' | 'PENDING' | 'PRELAUNCH' | 'RUNNING' | 'PAUSED' | 'USER_FINISHED' | 'ARCHIVING' | 'ARCHIVED';

export interface Device {
  readonly device_label: string;
  readonly protocol: 'telnet' | 'ssh' | 'vnc' | 'web';
  readonly host: string;
  readonly port?: number | undefined;
  readonly password?: string | undefined;
}

interface LdsPart {
  readonly formQualifiedName: string;
  devices: readonly Device[];
}

export interface LdsSession {
  readonly id: string;
  readonly authId: string;
  readonly candidateId: string;
  readonly parts: readonly LdsPart[];
  readonly createdAt: string;
  state: LdsState;
  launchedAt?: string;
  startedAt?: string;
  endedAt?: string;
  releasedAt?: string;
}

export interface Booking {
  readonly auth_id: string;
  readonly candidate_id: string;
  readonly session_parts: readonly { readonly form_qualified_name: string }[];
}

/** Simulated ms from a release until the session is archived. */
const ARCHIVING_MS = 500;

/** The sessions of one Lab Delivery System, and the candidates who work in them as the script says. */
export class LabDelivery {
  readonly #sessions = new Map<string, LdsSession>();
  readonly #content = new Map<string, number>();
  readonly #rules: Script['lds'];
  readonly #sender: EventSender;
  readonly #timers: Timers;
  readonly #now: () => number;
  readonly #seed: string;
  #random: Random;

  constructor(parts: { rules: Script['lds']; sender: EventSender; timers: Timers; now: () => number; seed: string }) {
    this.#rules = parts.rules;
    this.#sender = parts.sender;
    this.#timers = parts.timers;
    this.#now = parts.now;
    this.#seed = parts.seed;
    this.#random = seededRandom(`${parts.seed}/lds`);
  }

  reset(): void {
    this.#timers.clear();
    this.#sessions.clear();
    this.#content.clear();
    this.#random = seededRandom(`${this.#seed}/lds`);
  }

  sessions(): LdsSession[] {
    return [...this.#sessions.values()];
  }

  /** How often the content of each form was refreshed. */
  content(): Record<string, number> {
    return Object.fromEntries(this.#content);
  }

  /** @throws HttpProblem 404 */
  session(id: string): LdsSession {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new HttpProblem(404, `Lab session not found: ${id}`);
    return session;
  }

  /** Books a session. There is no idempotency key: asked twice, it books two. */
  create(booking: Booking): LdsSession {
    const parts = booking.session_parts.map((part) => ({ formQualifiedName: part.form_qualified_name, devices: [] }));
    const session: LdsSession = {
      id: randomUuid(this.#random), authId: booking.auth_id, candidateId: booking.candidate_id, parts,
      createdAt: this.#time(), state: parts.length === 0 ? 'EMPTY' : 'PENDING',
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Replaces the devices of part `number` (from 1). @throws HttpProblem 400, 404 */
  setDevices(id: string, number: number, devices: readonly Device[]): void {
    const part = this.session(id).parts[number - 1];
    if (part === undefined) throw new HttpProblem(404, `Lab session ${id} has no part ${number}`);
    const labels = devices.map((device) => device.device_label);
    if (new Set(labels).size < labels.length) throw new HttpProblem(400, 'device_label must be unique within a part');
    part.devices = devices;
  }

  /** The candidate gets the link: from here on the script plays. Asked again, nothing starts anew. */
  launch(id: string): LdsSession {
    const session = this.session(id);
    if (session.state !== 'PENDING' && session.state !== 'PRELAUNCH' && session.state !== 'RUNNING' && session.state !== 'PAUSED') {
      throw new HttpProblem(409, `Lab session ${id} is ${session.state}: it cannot be launched`);
    }
    if (session.launchedAt === undefined) {
      session.launchedAt = this.#time();
      const rule = candidateRuleFor(this.#rules, session.candidateId);
      if (!rule.noShow) this.#timers.after(rule.startAfter, () => this.#startByScript(session, rule.neverEnd ? undefined : rule));
    }
    return session;
  }

  /** The candidate opens the page. */
  open(id: string): LdsSession {
    const session = this.session(id);
    if (session.state === 'PENDING') session.state = 'PRELAUNCH';
    return session;
  }

  /** The candidate starts to work. @throws HttpProblem 409 */
  start(id: string): void {
    const session = this.#expect(id, ['PENDING', 'PRELAUNCH'], 'started');
    session.state = 'RUNNING';
    session.startedAt = this.#time();
    this.#send('lds.session.started', session, { user_id: session.candidateId, started_at: session.startedAt });
  }

  /** @throws HttpProblem 409 */
  pause(id: string): void {
    this.#expect(id, ['RUNNING'], 'paused').state = 'PAUSED';
  }

  /** @throws HttpProblem 409 */
  resume(id: string): void {
    this.#expect(id, ['PAUSED'], 'resumed').state = 'RUNNING';
  }

  /** The candidate is done. @throws HttpProblem 409 */
  end(id: string, why: { reason: string; endedBy: string }): void {
    const session = this.#expect(id, ['RUNNING', 'PAUSED'], 'ended');
    session.state = 'USER_FINISHED';
    session.endedAt = this.#time();
    this.#send('lds.session.ended', session, { reason: why.reason, ended_by: why.endedBy, ended_at: session.endedAt });
  }

  /** Gives the session back, whatever its state. Done twice, it stays done. */
  release(id: string): LdsSession {
    const session = this.session(id);
    if (session.releasedAt === undefined) {
      session.releasedAt = this.#time();
      session.state = 'ARCHIVING';
      this.#timers.after(ARCHIVING_MS, () => {
        session.state = 'ARCHIVED';
      });
    }
    return session;
  }

  /** Fetches the content of a form anew. Returns its version: how often that was done. */
  refreshContent(formQualifiedName: string): number {
    const version = (this.#content.get(formQualifiedName) ?? 0) + 1;
    this.#content.set(formQualifiedName, version);
    return version;
  }

  #startByScript(session: LdsSession, end: { endAfter: number; reason: string; endedBy: string } | undefined): void {
    if (session.state === 'PENDING' || session.state === 'PRELAUNCH') this.start(session.id);
    if (end === undefined) return;
    this.#timers.after(end.endAfter, () => {
      if (session.state === 'RUNNING' || session.state === 'PAUSED') this.end(session.id, end);
    });
  }

  #expect(id: string, states: readonly LdsState[], verb: string): LdsSession {
    const session = this.session(id);
    if (!states.includes(session.state)) throw new HttpProblem(409, `Lab session ${id} is ${session.state}: it cannot be ${verb}`);
    return session;
  }

  /** An LDS knows its own session id only, and calls it by both names. */
  #send(type: string, session: LdsSession, data: Record<string, unknown>): void {
    this.#sender.send(type, session.id, { session_id: session.id, lds_session_id: session.id, ...data });
  }

  #time(): string {
    return new Date(this.#now()).toISOString();
  }
}
