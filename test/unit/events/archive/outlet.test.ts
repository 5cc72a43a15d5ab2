import { describe, expect, test } from '@jest/globals';
import { verifyChain } from '../../../../src/core/verify-chain.ts';
import { archiveRecord } from '../../../../src/api/archive.ts';
import { OUTBOX_MAX_ENTRIES } from '../../../../src/api/outbox.ts';
import { afterTest } from '../../../support/after-test.ts';
import { emitted, received } from '../../../support/events/chained.ts';
import { OutboxWorld, startEmitter, uidOf } from '../../../support/events/outbox-world.ts';
import { sinkThat } from '../../../support/events/sink-that.ts';
import { until } from '../../../support/events/until.ts';
import type { ArchiveRecord } from '../../../../src/api/archive.ts';
import type { ArchiveStore, Segment } from '../../../../src/events/archive/store.ts';
import type { TestSink } from '../../../support/events/sink.ts';
import type { RunningEmitter } from '../../../support/events/outbox-world.ts';

const [a, b] = [uidOf(1), uidOf(2)];

/** An archive in memory that can be away, or store a segment and not say so. */
class MemoryArchive implements ArchiveStore {
  readonly name = 'memory';
  readonly segments: Segment[] = [];
  tries = 0;
  mood: 'well' | 'away' | 'stores and hangs' = 'well';

  async append(_stream: string, segment: Segment, signal: AbortSignal): Promise<void> {
    this.tries += 1;
    if (this.mood === 'away') throw new Error('no route to host');
    this.segments.push(segment);
    if (this.mood === 'stores and hangs') await new Promise((_, reject) => { signal.addEventListener('abort', () => reject(new Error('aborted'))); });
  }

  async *list(): AsyncGenerator<string> { /* Nobody reads it here. */ }
  async *lines(): AsyncGenerator<string> { /* Nobody reads it here. */ }
  async remove(): Promise<void> { /* Nor removes anything. */ }

  records(uid: string): ArchiveRecord[] {
    const lines = this.segments.flatMap(({ body }) => body.trimEnd().split('\n'));
    return lines.map((line) => archiveRecord.parse(JSON.parse(line))).filter(({ object }) => object.uid === uid);
  }
}

async function emitting(world: OutboxWorld, archive: MemoryArchive, sink: TestSink): Promise<RunningEmitter> {
  const running = startEmitter(world, sink.url, { archive });
  afterTest(() => running.kill());
  return running;
}

async function setUp(): Promise<{ world: OutboxWorld; archive: MemoryArchive; sink: TestSink }> {
  const sink = await sinkThat();
  const world = new OutboxWorld();
  world.add('cand-1', a);
  world.add('cand-2', b);
  return { world, archive: new MemoryArchive(), sink };
}

const name = (uid: string): string => (uid === a ? 'cand-1' : 'cand-2');
const emit = (world: OutboxWorld, uid: string, emitter?: RunningEmitter) => world.transition(uid, emitter?.emitter, (status) => void emitted(status, uid, name(uid)));
const receive = (world: OutboxWorld, uid: string, emitter?: RunningEmitter) => world.transition(uid, emitter?.emitter, (status) => void received(status, uid, name(uid)));
const outbox = (world: OutboxWorld, uid: string) => world.get(uid).status?.outbox ?? [];
const drained = (world: OutboxWorld) => until('the outboxes are empty', () => [a, b].every((uid) => outbox(world, uid).length === 0));

test('everything that two objects emit and receive is archived in order, and leaves the outbox only then; what is received goes to no sink', async () => {
  const { world, archive, sink } = await setUp();
  const running = await emitting(world, archive, sink);
  for (let n = 0; n < 6; n++) for (const uid of [a, b]) (n % 2 === 0 ? emit : receive)(world, uid, running);
  await drained(world);
  for (const uid of [a, b]) {
    expect(archive.records(uid).map(({ chain }) => chain.n)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(verifyChain(archive.records(uid), world.get(uid).status?.chain)).toEqual([]);
    expect(sink.sequences(uid)).toEqual([1, 2, 3]);
  }
  expect(archive.segments.length).toBeLessThan(12);
});

test('a healthy archive costs no write: one acknowledgement after the quiet time, as for a sink alone', async () => {
  const { world, archive, sink } = await setUp();
  const running = await emitting(world, archive, sink);
  emit(world, a, running);
  receive(world, a, running);
  await drained(world);
  expect(world.writes).toBe(1);
});

test('a leader that dies after it stored a segment and before it said so leaves duplicates, which the verifier reads as one', async () => {
  const { world, archive, sink } = await setUp();
  archive.mood = 'stores and hangs';
  const first = await emitting(world, archive, sink);
  emit(world, a);
  await until('the segment is stored', () => archive.records(a).length === 1);
  await first.kill();
  expect(outbox(world, a)).toHaveLength(1);
  archive.mood = 'well';
  receive(world, a);
  const next = await emitting(world, archive, sink);
  await drained(world);
  emit(world, a, next);
  await drained(world);
  expect(archive.records(a).map(({ chain }) => chain.n)).toEqual([1, 1, 2, 3]);
  expect(verifyChain(archive.records(a), world.get(a).status?.chain)).toEqual([]);
});

describe('an archive that is away', () => {
  test('does not keep the sink waiting, and what the sink has is marked as the first to go', async () => {
    const { world, archive, sink } = await setUp();
    archive.mood = 'away';
    const running = await emitting(world, archive, sink);
    emit(world, a, running);
    await until('the sink has it', () => sink.sequences(a).length === 1);
    await until('the archive was tried', () => archive.tries > 0);
    emit(world, a, running);
    expect(outbox(world, a).map(({ sequence, archiveOnly }) => [sequence, archiveOnly])).toEqual([[1, true], [2, undefined]]);
    expect(world.writes).toBe(0);
  });

  test('for long loses the oldest of what only it waits for, by name and number, and every event still reaches the sink', async () => {
    const { world, archive, sink } = await setUp();
    archive.mood = 'away';
    const running = await emitting(world, archive, sink);
    const events = OUTBOX_MAX_ENTRIES + 8;
    for (let n = 1; n <= events; n++) {
      emit(world, a, running);
      await until('the sink has it', () => sink.sequences(a).length === n);
      // What is in a segment is tried again with it: the first holds the first event alone.
      await until('the archive was tried', () => archive.tries > 0);
    }
    expect(sink.sequences(a)).toEqual(Array.from({ length: events }, (_, n) => n + 1));
    expect(world.get(a).status?.conditions?.[0]).toMatchObject({ type: 'EventsDelivered', status: 'False', reason: 'ArchiveGap' });
    archive.mood = 'well';
    await until('the archive has what was left', () => outbox(world, a).length === 0, 20_000);
    emit(world, a, running);
    await drained(world);
    const findings = verifyChain(archive.records(a), world.get(a).status?.chain);
    expect([...new Set(findings.map(({ kind }) => kind))]).toEqual(['given-up']);
  }, 30_000);

  test('holds the finalizer of a deleted object until it has the last record, or its time is over', async () => {
    const { world, archive, sink } = await setUp();
    archive.mood = 'away';
    const running = await emitting(world, archive, sink);
    emit(world, a, running);
    world.markDeleted(a);
    await until('the archive was tried', () => archive.tries > 0);
    expect(running.emitter.isDrained(world.get(a))).toBe(false);
    await running.emitter.abandon(world.get(a), new AbortController().signal);
    expect(running.emitter.isDrained(world.get(a))).toBe(true);
    const { values } = await running.metrics.archiveRecords.get();
    expect(values.find(({ labels }) => 'result' in labels && labels.result === 'dropped')?.value).toBe(1);
  });
});

test('records from before the archive was switched off are let go when there is none any more', async () => {
  const { world, sink } = await setUp();
  receive(world, a);
  const running = startEmitter(world, sink.url);
  afterTest(() => running.kill());
  emit(world, a, running);
  await drained(world);
  expect(sink.sequences(a)).toEqual([1]);
});
