import { setTimeout as delay } from 'node:timers/promises';

/** Waits until `holds` is true. The limit only turns a hang into a sentence; it says nothing about how fast things are. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await delay(5);
  }
}
