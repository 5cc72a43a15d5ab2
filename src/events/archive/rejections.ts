/**
 * The stream of received events that were refused or belong to no session. There is no object whose status could hold
 * them, so this is best effort: bounded in memory, one try, and what is lost is counted.
 */
import { aborted } from '../../runtime/runnable.ts';
import type { Receipt } from '../../api/archive.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Runnable, Term } from '../../runtime/runnable.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { ArchiveStore } from './store.ts';

/** What is kept of a refused event: who sent what, and why it was refused. */
export interface Rejection {
  /** HTTP status of the answer; 202 for an event of an unknown session. */
  readonly status: number;
  readonly result: string;
  readonly message?: string | undefined;
  /** Absent: what came was no event at all. */
  readonly receipt?: Receipt | undefined;
}

export interface RejectionsDeps {
  readonly store: ArchiveStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** In one window: a flood of garbage must not fill the archive, nor us. */
const WAITING_MAX = 1000;
const WINDOW_MS = 10_000;
const TRY_MS = 10_000;
/** Of each attribute, in characters; of the data, in bytes of JSON. */
const ATTRIBUTE_MAX = 512;
const DATA_MAX_BYTES = 1024;

export class Rejections implements Runnable {
  readonly name = 'rejections';
  readonly #deps: RejectionsDeps;
  #waiting: string[] = [];
  #wake: () => void = () => undefined;

  constructor(deps: RejectionsDeps) {
    this.#deps = deps;
  }

  /** Takes note; never throws and never waits. */
  note({ status, result, message, receipt }: Rejection): void {
    const { clock, metrics } = this.#deps;
    if (this.#waiting.length >= WAITING_MAX) {
      metrics.archiveRecords.inc({ result: 'rejected_lost' });
      return;
    }
    this.#waiting.push(`${JSON.stringify({ receivedAt: clock.now().toISOString(), status, result, message, ...(receipt && { event: shortened(receipt) }) })}\n`);
    this.#wake();
  }

  async run({ closing }: Term): Promise<void> {
    while (!closing.aborted) {
      if (this.#waiting.length === 0) await Promise.race([new Promise<void>((resolve) => { this.#wake = resolve; }), aborted(closing)]);
      await this.#deps.clock.sleep(WINDOW_MS, closing).catch(() => undefined);
      await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    const { store, clock, log, metrics } = this.#deps;
    const lines = this.#waiting;
    if (lines.length === 0) return;
    this.#waiting = [];
    try {
      await store.append('rejected', { at: clock.now(), body: lines.join('') }, AbortSignal.timeout(TRY_MS));
      metrics.archiveRecords.inc({ result: 'rejected' }, lines.length);
    } catch (error) {
      metrics.archiveRecords.inc({ result: 'rejected_lost' }, lines.length);
      log.warn({ archive: store.name, events: lines.length, error }, 'refused events could not be archived');
    }
  }
}

function shortened({ id, source, type, time, subject, sha256, data }: Receipt): object {
  const cut = (text: string | undefined): string | undefined => text?.slice(0, ATTRIBUTE_MAX);
  const isShort = data !== undefined && Buffer.byteLength(JSON.stringify(data)) <= DATA_MAX_BYTES;
  return { id: cut(id), source: cut(source), type: cut(type), time: cut(time), subject: cut(subject), sha256, ...(isShort ? { data } : {}) };
}
