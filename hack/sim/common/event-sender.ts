import { setTimeout as sleep } from 'node:timers/promises';
import { randomUuid, seededRandom, type Random } from './random.ts';
import type { Faults } from './faults.ts';

export type EventMode = 'binary' | 'structured';

/** Names of the faults that play havoc with events, beside those of the HTTP API. */
export const EVENT_FAULTS = ['drop', 'duplicate', 'delay', 'reorder'] as const;

/** An event and what became of it, for `GET /sim/events`. */
export interface SentEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: Record<string, unknown>;
  /** Deliveries that were accepted: more than one for a duplicate. */
  deliveries: number;
  attempts: number;
  lastStatus: number | null;
  state: 'pending' | 'delivered' | 'dropped' | 'rejected';
}

export interface EventSenderOptions {
  /** Where events go; absent: they are recorded as dropped. */
  target?: string;
  mode: EventMode;
  /** `source` of the events, a URI reference. */
  source: string;
  seed: string;
  now: () => number;
  faults: Faults;
  /** Real ms that the faults `delay` and `reorder` hold an event back. */
  delayMs: number;
  log: (message: string, fields?: Record<string, unknown>) => void;
}

const RETRIED = new Set([404, 408, 409, 425, 429]);
const FIRST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 5_000;
const ANSWER_TIMEOUT_MS = 30_000;

/**
 * Sends CloudEvents as a well-behaved producer does: at least once, with the same id and the same bytes on every
 * attempt, again and again after no answer, 404, 408, 409, 425, 429 and 5xx. Faults can make it behave worse.
 */
export class EventSender {
  readonly #options: EventSenderOptions;
  readonly #random: Random;
  readonly #closed = new AbortController();
  #target: string | undefined;
  #events: SentEvent[] = [];
  #releaseHeld: (() => void) | undefined;

  constructor(options: EventSenderOptions) {
    this.#options = options;
    this.#target = options.target;
    this.#random = seededRandom(`${options.seed}/events/${options.source}`);
  }

  /** Sends what comes from now on to another place. */
  retarget(url: string): void {
    this.#target = url;
  }

  events(): readonly SentEvent[] {
    return this.#events;
  }

  /** Makes an event of a fact and delivers it in the background. */
  send(type: string, subject: string, data: Record<string, unknown>): SentEvent {
    const { source, now, faults } = this.#options;
    const event: SentEvent = {
      id: randomUuid(this.#random), source, type, subject, time: new Date(now()).toISOString(), data,
      deliveries: 0, attempts: 0, lastStatus: null, state: 'pending',
    };
    this.#events.push(event);
    if (this.#target === undefined || faults.strikes('drop', type)) event.state = 'dropped';
    else void this.#dispatch(event);
    return event;
  }

  /** Delivers an event that was sent before once more, unchanged. */
  resend(id: string): boolean {
    const event = this.#events.find((sent) => sent.id === id);
    if (event) void this.#deliver(event);
    return event !== undefined;
  }

  reset(): void {
    this.#events = [];
  }

  /** Gives up on whatever is not delivered yet. */
  close(): void {
    this.#closed.abort();
  }

  async #dispatch(event: SentEvent): Promise<void> {
    const { faults, delayMs } = this.#options;
    const overtake = this.#releaseHeld;
    if (overtake === undefined && faults.strikes('reorder', event.type)) await this.#untilOvertaken(delayMs);
    if (faults.strikes('delay', event.type)) await this.#pause(delayMs);
    await this.#deliver(event);
    overtake?.();
    if (faults.strikes('duplicate', event.type)) await this.#deliver(event);
  }

  /** Waits for the next event to be delivered first, at most `delayMs`. */
  async #untilOvertaken(delayMs: number): Promise<void> {
    const overtaken = new Promise<void>((resolve) => {
      this.#releaseHeld = resolve;
    });
    await Promise.race([overtaken, this.#pause(delayMs)]);
    this.#releaseHeld = undefined;
  }

  async #deliver(event: SentEvent): Promise<void> {
    for (let backoff = FIRST_BACKOFF_MS; !this.#closed.signal.aborted; backoff = Math.min(2 * backoff, LONGEST_BACKOFF_MS)) {
      event.attempts += 1;
      event.lastStatus = await this.#post(event);
      if (event.lastStatus !== null && event.lastStatus < 300) {
        event.deliveries += 1;
        event.state = 'delivered';
        return;
      }
      if (event.lastStatus !== null && event.lastStatus < 500 && !RETRIED.has(event.lastStatus)) {
        event.state = 'rejected';
        this.#options.log('event was rejected', { id: event.id, type: event.type, status: event.lastStatus });
        return;
      }
      await this.#pause(backoff);
    }
  }

  /** One attempt. Returns the HTTP status, null when there was no answer. */
  async #post(event: SentEvent): Promise<number | null> {
    const { headers, body } = encode(event, this.#options.mode);
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
    try {
      const response = await fetch(this.#target ?? '', { method: 'POST', headers, body, signal, redirect: 'manual' });
      await response.body?.cancel();
      return response.status;
    } catch {
      return null;
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closed.signal }).catch(() => undefined);
  }
}

function encode({ id, source, type, subject, time, data }: SentEvent, mode: EventMode): { headers: Record<string, string>; body: string } {
  const attributes = { specversion: '1.0', id, source, type, subject, time };
  if (mode === 'structured') {
    return {
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify({ ...attributes, datacontenttype: 'application/json', data }),
    };
  }
  const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
  return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(data) };
}
