import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Heap } from '../../../src/runtime/heap.ts';
import { Priority, WorkQueue } from '../../../src/runtime/queue.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const priority = fc.constantFrom(...Object.values(Priority));

/** What a crowd of sources and workers may do to a queue. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), key, delayMs: fc.constantFrom(0, 0, 1, 5, 50), priority }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('retry' as const), key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finish' as const), index: fc.nat(10) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60 }) }) },
);

describe('a work queue, whatever is done to it', () => {
  test('never has one key on two workers, and works on every key after it was last asked for', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const clock = new FakeClock();
      const queue = new WorkQueue({ clock });
      const running: string[] = [];
      /** Keys that were asked for and not handed out since. */
      const owed = new Set<string>();
      const onTwoWorkers: string[] = [];
      const take = (): void => {
        void queue.take().then((item) => {
          if (!item) return;
          if (running.includes(item.key)) onTwoWorkers.push(item.key);
          running.push(item.key);
          owed.delete(item.key);
        });
      };
      for (const action of steps) {
        switch (action.do) {
          case 'add':
            queue.add(action.key, action);
            owed.add(action.key);
            break;
          case 'retry':
            queue.retry(action.key);
            owed.add(action.key);
            break;
          case 'take':
            take();
            break;
          case 'finish': {
            const [finished] = running.splice(action.index % Math.max(1, running.length), 1);
            if (finished !== undefined) queue.done(finished);
            break;
          }
          case 'wait':
            await clock.advance(action.ms);
            break;
        }
        await clock.settle();
        const { ready, delayed } = queue.stats();
        expect(ready + delayed).toBeLessThanOrEqual(5);
      }
      for (let round = 0; round < 20; round++) {
        for (const finished of running.splice(0)) queue.done(finished);
        for (let n = 0; n < 5; n++) take();
        await clock.advance(60_000);
      }
      expect(onTwoWorkers).toEqual([]);
      expect([...owed]).toEqual([]);
      expect(queue.stats()).toMatchObject({ ready: 0, delayed: 0 });
    }), { numRuns: 100 });
  });

  test('at equal fairness it hands out the highest priority first, and within one the oldest', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.record({ priority }), { maxLength: 40 }), async (adds) => {
      const queue = new WorkQueue({ clock: new FakeClock(), fairness: Infinity });
      adds.forEach((add, index) => queue.add(`k${index}`, add));
      const taken: string[] = [];
      for (let n = 0; n < adds.length; n++) taken.push((await queue.take())?.key ?? '');
      const expected = adds.map((add, index) => ({ ...add, index }))
        .sort((a, b) => b.priority - a.priority || a.index - b.index)
        .map(({ index }) => `k${index}`);
      expect(taken).toEqual(expected);
    }));
  });
});

test('a heap gives its members back in order, whichever are taken out in between', () => {
  fc.assert(fc.property(fc.array(fc.integer(), { maxLength: 200 }), fc.array(fc.nat(), { maxLength: 50 }), (values, removals) => {
    const heap = new Heap<{ value: number; place: number }>((a, b) => a.value < b.value);
    const members = values.map((value) => ({ value, place: -1 }));
    for (const member of members) heap.push(member);
    for (const removal of removals) {
      const [member] = members.splice(removal % Math.max(1, members.length), 1);
      if (member) heap.remove(member);
    }
    const popped: number[] = [];
    for (let member = heap.pop(); member; member = heap.pop()) popped.push(member.value);
    expect(popped).toEqual(members.map((member) => member.value).sort((a, b) => a - b));
  }));
});
