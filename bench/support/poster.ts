/**
 * Posts CloudEvents as a broker does, in a process of its own, so that it takes no time from whoever takes them: one JSON
 * document on standard input, the seconds that the measured ones took on standard output.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import { Pool } from 'undici';
import { z } from 'zod';
import { inParallel } from './row.ts';

const job = z.object({
  url: z.url(),
  /** At a time. */
  concurrency: z.int().positive(),
  /** So many of the first are not measured. */
  warmUp: z.int().min(0),
  events: z.array(z.object({ headers: z.record(z.string(), z.string()), body: z.string() })),
});
export type PostJob = z.infer<typeof job>;

/** Runs a job in a process of its own. @returns the seconds from the first measured post to the last answer */
export async function post(work: PostJob): Promise<number> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  child.stdin.end(JSON.stringify(work));
  const [{ seconds }] = await Promise.all([json(child.stdout).then((answer) => z.object({ seconds: z.number() }).parse(answer)), exited]);
  return seconds;
}

async function main(): Promise<void> {
  const { url, concurrency, warmUp, events } = job.parse(await json(process.stdin));
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections: concurrency });
  const postAll = (some: PostJob['events']): Promise<void> => inParallel(some, concurrency, async ({ headers, body }) => {
    const { statusCode, body: answer } = await pool.request({ method: 'POST', path: pathname, headers, body });
    await answer.dump();
    if (statusCode !== 202) throw new Error(`an event was answered with ${statusCode}`);
  });
  await postAll(events.slice(0, warmUp));
  const began = performance.now();
  await postAll(events.slice(warmUp));
  process.stdout.write(JSON.stringify({ seconds: (performance.now() - began) / 1000 }));
  await pool.close();
}

if (process.argv[1] === import.meta.filename) await main();
