/**
 * Writes the records of all outboxes to the archive, on the leader: everything that waits goes into one segment, one
 * segment at a time, and an entry is settled once its segment is stored. A crash in between stores it twice, which the
 * reader sees; nothing here makes a transition wait.
 */
import { aborted } from '../../runtime/runnable.ts';
import type { ArchiveRecord } from '../../api/archive.ts';
import type { OutboxEntry } from '../../api/outbox.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Term } from '../../runtime/runnable.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { Outbound, Parked } from '../outlet.ts';
import type { ArchiveStore, Segment } from './store.ts';

export interface ArchiveOutletDeps {
  readonly store: ArchiveStore;
  /** The record of an entry; undefined if its object is gone. */
  readonly record: (uid: string, entry: OutboxEntry) => ArchiveRecord | undefined;
  /** May a write be begun now? Not while the lease is running out. */
  readonly mayBegin: () => boolean;
  /** Something was settled. */
  readonly changed: (uid: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** For so long records are gathered into one segment. */
const WINDOW_MS = 500;
const SEGMENT_MAX_RECORDS = 500;
const RETRY_BASE_MS = 1000;
const RETRY_MAX_MS = 60_000;
const LEASE_PAUSE_MS = 1000;

/** The records of one object that wait. */
interface Chain {
  entries: readonly OutboxEntry[];
  readonly settled: Set<string>;
  readonly lost: Map<string, OutboxEntry>;
}

/** A segment that is tried until it is stored, always with the same bytes. */
interface Batch {
  readonly segment: Segment;
  readonly members: readonly { readonly uid: string; readonly entry: OutboxEntry }[];
}

export class ArchiveOutlet implements Outbound {
  readonly #deps: ArchiveOutletDeps;
  readonly #chains = new Map<string, Chain>();
  /** Objects with something to store, in the order in which they told of it. */
  readonly #waiting = new Set<string>();
  #wake: () => void = () => undefined;
  #batch: Batch | undefined;
  #failures = 0;

  constructor(deps: ArchiveOutletDeps) {
    this.#deps = deps;
  }

  readonly takes = (entry: OutboxEntry): boolean => entry.chain !== undefined;

  offer(uid: string, outbox: readonly OutboxEntry[]): void {
    const entries = outbox.filter(this.takes);
    if (entries.length === 0) {
      this.#chains.delete(uid);
      this.#waiting.delete(uid);
      return;
    }
    const chain: Chain = this.#chains.get(uid) ?? { entries: [], settled: new Set(), lost: new Map() };
    const ids = new Set(entries.map(({ id }) => id));
    for (const id of chain.settled) if (!ids.has(id)) chain.settled.delete(id);
    for (const id of chain.lost.keys()) if (!ids.has(id)) chain.lost.delete(id);
    chain.entries = entries;
    this.#chains.set(uid, chain);
    if (entries.some(({ id }) => !chain.settled.has(id))) {
      this.#waiting.add(uid);
      this.#wake();
    }
  }

  isSettled(uid: string, id: string): boolean {
    return this.#chains.get(uid)?.settled.has(id) ?? false;
  }

  /** The archive refuses nothing: what it cannot store now waits. */
  parked(): Parked | undefined {
    return undefined;
  }

  lost(uid: string): readonly OutboxEntry[] {
    return [...(this.#chains.get(uid)?.lost.values() ?? [])];
  }

  /** One try for what is left; what cannot be stored is counted, and shows as a gap when the chain is verified. */
  async abandon(uid: string, signal: AbortSignal): Promise<void> {
    const left = this.#unsettled(uid);
    const batch = this.#segmentOf(left.map((entry) => ({ uid, entry })));
    if (!batch) return;
    const isStored = await this.#store(batch, signal);
    if (!isStored) {
      for (const entry of left) this.#chains.get(uid)?.lost.set(entry.id, entry);
      this.#deps.metrics.archiveRecords.inc({ result: 'dropped' }, left.length);
      this.#deps.log.error({ uid, records: left.length, archive: this.#deps.store.name }, 'records given up: the object is being deleted');
    }
    this.#settle(batch);
  }

  async run({ closing, ended }: Term): Promise<void> {
    const { clock, mayBegin, log, store } = this.#deps;
    const pause = async (ms: number): Promise<void> => clock.sleep(ms, closing).catch(() => undefined);
    while (!closing.aborted) {
      if (!this.#batch) {
        if (this.#waiting.size === 0) await Promise.race([new Promise<void>((resolve) => { this.#wake = resolve; }), aborted(closing)]);
        if (this.#waiting.size < SEGMENT_MAX_RECORDS) await pause(WINDOW_MS);
        this.#batch = this.#gather();
      }
      if (!this.#batch) continue;
      if (!mayBegin()) await pause(LEASE_PAUSE_MS);
      else if (await this.#store(this.#batch, ended)) {
        if (this.#failures > 0) log.info({ archive: store.name }, 'the archive is back');
        this.#failures = 0;
        this.#settle(this.#batch);
        this.#batch = undefined;
      } else if (!ended.aborted) {
        const full = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.min(this.#failures++, 30));
        await pause(full * (0.5 + Math.random() / 2));
      }
    }
  }

  #unsettled(uid: string): OutboxEntry[] {
    const chain = this.#chains.get(uid);
    return chain?.entries.filter(({ id }) => !chain.settled.has(id)) ?? [];
  }

  /** As much of what waits as one segment holds, each object in the order of its chain. */
  #gather(): Batch | undefined {
    const members: { uid: string; entry: OutboxEntry }[] = [];
    for (const uid of this.#waiting) {
      if (members.length >= SEGMENT_MAX_RECORDS) break;
      members.push(...this.#unsettled(uid).map((entry) => ({ uid, entry })));
      this.#waiting.delete(uid);
    }
    return this.#segmentOf(members);
  }

  #segmentOf(members: Batch['members']): Batch | undefined {
    const at = this.#deps.clock.now();
    const lines = members.flatMap(({ uid, entry }) => {
      const record = this.#deps.record(uid, entry);
      return record ? [`${JSON.stringify({ ...record, archivedAt: at.toISOString() })}\n`] : [];
    });
    return lines.length === 0 ? undefined : { segment: { at, body: lines.join('') }, members };
  }

  async #store({ segment, members }: Batch, signal: AbortSignal): Promise<boolean> {
    const { store, metrics, log } = this.#deps;
    try {
      await store.append('records', segment, signal);
      metrics.archiveRecords.inc({ result: 'stored' }, members.length);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      metrics.archiveRecords.inc({ result: 'retry' }, members.length);
      if (this.#failures === 0) log.warn({ archive: store.name, records: members.length, error }, 'the archive cannot be written; its records wait in the status of their objects');
      return false;
    }
  }

  #settle({ members }: Batch): void {
    for (const { uid, entry } of members) this.#chains.get(uid)?.settled.add(entry.id);
    for (const uid of new Set(members.map((member) => member.uid))) this.#deps.changed(uid);
  }
}
