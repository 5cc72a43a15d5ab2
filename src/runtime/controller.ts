/**
 * The machine around one reconciler: takes keys from its queue, runs a bounded number of passes at
 * once, never two over the same key, and turns each pass's ending into what happens to the key next.
 *
 * A controller runs for one term of leadership and may run again for the next. Each term has a queue
 * of its own, filled from the sources at its start; keys that are asked for between two terms are
 * dropped, because the next term begins by looking at everything.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from '../telemetry/log.ts';
import { preset } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { BackoffOptions } from './backoff.ts';
import type { Clock } from './clock.ts';
import { PASS_RESULTS, runPass } from './pass.ts';
import type { Ending, Reconcile } from './pass.ts';
import { Priority, WorkQueue } from './queue.ts';
import type { AddOptions, QueueStats, WorkItem } from './queue.ts';
import { aborted } from './runnable.ts';
import type { Runnable, Term } from './runnable.ts';
import type { Source } from './source.ts';

export interface ControllerOptions {
  /** In lower case, unique: the label of its metrics and log lines. */
  readonly name: string;
  readonly reconcile: Reconcile;
  /** What wakes keys; each is started with the term and stopped at its end. */
  readonly sources: readonly Source[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How many passes run at once. @default 32 */
  readonly concurrency?: number;
  /** A pass is asked to stop after this, in milliseconds. @default 60_000 */
  readonly passTimeoutMs?: number;
  /** Delays after failures. @default 5 ms, doubled, up to 60 s */
  readonly backoff?: BackoffOptions;
}

export class Controller implements Runnable {
  readonly name: string;
  private readonly options: ControllerOptions;
  private readonly log: Logger;
  private queue: WorkQueue | undefined;

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.options = options;
    this.log = options.log.child({ controller: options.name });
    preset(options.metrics.reconciles, { controller: [options.name], result: PASS_RESULTS });
  }

  /** Asks for a pass over `key`, at once and before others unless told otherwise. Without a term it is dropped. */
  wake(key: string, options: AddOptions = { priority: Priority.high }): void {
    this.queue?.add(key, options);
  }

  /** What its queue holds; undefined between two terms. */
  stats(): QueueStats | undefined {
    return this.queue?.stats();
  }

  async run(term: Term): Promise<void> {
    if (this.queue) throw new Error(`controller ${this.name} is already running`);
    const { clock, backoff, sources, concurrency = 32, metrics } = this.options;
    const queue = new WorkQueue({ clock, ...(backoff ? { backoff } : {}) });
    this.queue = queue;
    const unhook = metrics.onScrape(() => this.report(queue.stats()));
    const stops: (() => void)[] = [];
    const workers: Promise<void>[] = [];
    try {
      for (const source of sources) stops.push(source.start((key, options) => queue.add(key, options)));
      for (let n = 0; n < concurrency; n++) workers.push(this.work(queue, term));
      await aborted(term.closing);
    } finally {
      for (const stop of stops) stop();
      queue.shutdown();
      await Promise.all(workers);
      this.queue = undefined;
      unhook();
      this.report(queue.stats());
    }
  }

  private async work(queue: WorkQueue, term: Term): Promise<void> {
    for (let item = await queue.take(); item; item = await queue.take()) {
      await this.pass(queue, item, term);
      queue.done(item.key);
    }
  }

  private async pass(queue: WorkQueue, item: WorkItem, term: Term): Promise<void> {
    const { clock, metrics, reconcile, passTimeoutMs = 60_000 } = this.options;
    const controller = this.name;
    const reconcileId = randomUUID();
    const log = this.log.child({ key: item.key, reconcileId });
    metrics.queueWait.observe({ controller, priority: String(item.priority) }, item.waitedMs / 1000);
    metrics.activePasses.inc({ controller });
    const start = clock.monotonic();
    const ending = await runPass(reconcile, item.key, { clock, timeoutMs: passTimeoutMs, ended: term.ended, log, reconcileId });
    metrics.reconcileDuration.observe({ controller }, (clock.monotonic() - start) / 1000);
    metrics.activePasses.dec({ controller });
    metrics.reconciles.inc({ controller, result: ending.result });
    settle(queue, item.key, ending, log);
  }

  private report(stats: QueueStats): void {
    const { metrics } = this.options;
    const controller = this.name;
    for (const state of ['ready', 'delayed', 'running'] as const) metrics.queueDepth.set({ controller, state }, stats[state]);
    metrics.queueOldest.set({ controller }, stats.oldestMs / 1000);
  }
}

/** What becomes of `key` after its pass: the whole policy of retries. */
function settle(queue: WorkQueue, key: string, ending: Ending, log: Logger): void {
  switch (ending.result) {
    case 'done':
      queue.forget(key);
      log.debug('pass done');
      return;
    case 'after':
      queue.forget(key);
      queue.add(key, { delayMs: ending.ms });
      log.debug({ afterMs: ending.ms, why: ending.why }, 'pass done for now');
      return;
    case 'conflict': {
      const retryMs = queue.retry(key);
      log.debug({ retryMs }, 'the object has moved on; looking again');
      return;
    }
    case 'retry':
    case 'timeout': {
      const retryMs = queue.retry(key, Priority.normal, ending.atLeastMs);
      log.warn({ retryMs, failures: queue.failures(key), reason: messageOf(ending.error) }, 'pass failed; trying again');
      return;
    }
    case 'error': {
      const retryMs = queue.retry(key, Priority.normal, ending.atLeastMs);
      log.error({ retryMs, failures: queue.failures(key), error: ending.error }, 'pass failed with an unexpected error; trying again');
      return;
    }
    case 'terminal':
      queue.forget(key);
      log.error({ reason: messageOf(ending.error) }, 'pass failed for good; waiting for the object to change');
      return;
    case 'aborted':
      log.info({ reason: messageOf(ending.error) }, 'pass aborted');
      return;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
