import { describe, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { Turns } from '../../../src/runtime/turns.ts';

describe('turns', () => {
  test('work on one key runs one after the other, in the order in which it was asked for', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const work = (name: string, ms: number) => async (): Promise<void> => {
      seen.push(`${name} begins`);
      await sleep(ms);
      seen.push(`${name} ends`);
    };
    await Promise.all([turns.take('a', work('first', 20)), turns.take('a', work('second', 1)), turns.take('a', work('third', 1))]);
    expect(seen).toEqual(['first begins', 'first ends', 'second begins', 'second ends', 'third begins', 'third ends']);
  });

  test('other keys are not held up', async () => {
    const turns = new Turns();
    const { promise: released, resolve: release } = Promise.withResolvers<undefined>();
    const held = turns.take('a', () => released);
    expect(await turns.take('b', async () => 'done')).toBe('done');
    release(undefined);
    await held;
  });

  test('work that fails says so to its own caller only, and the next has its turn', async () => {
    const turns = new Turns();
    const failing = turns.take('a', () => Promise.reject(new Error('broken')));
    const next = turns.take('a', async () => 'done');
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('done');
  });

  test('nothing is remembered of a key once its work has ended', async () => {
    const turns = new Turns();
    await Promise.all([turns.take('a', async () => undefined), turns.take('a', async () => undefined), turns.take('b', async () => undefined)]);
    expect(turns.size).toBe(0);
  });
});
