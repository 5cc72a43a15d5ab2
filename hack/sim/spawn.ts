import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const ready = z.object({ sim: z.string(), url: z.url(), seed: z.string() });

export type SimKind = 'cml' | 'lds' | 'grading' | 'ec2';

/** A simulator in a process of its own. */
export interface SimProcess {
  readonly url: string;
  readonly pid: number;
  /** Ends the process and waits until it is gone. */
  close(): Promise<void>;
}

/**
 * Starts a simulator as a child that dies with this process.
 *
 * @param environment added to the environment of this process
 * @throws Error when it ends before it is ready; the message has what it wrote to standard error
 */
export async function startSimProcess(sim: SimKind, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<SimProcess> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, sim, '--exit-with-parent', ...args], { env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints = `${complaints}${chunk.toString()}`.slice(-4_096);
  });
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([text]: unknown[]) => String(text)),
    exited.then(() => Promise.reject(new Error(`the ${sim} simulator ended before it was ready: ${complaints.trim()}`))),
  ]);
  return {
    url: ready.parse(JSON.parse(line)).url,
    pid: child.pid ?? 0,
    async close() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
