import { readFile } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Layout } from './layout.ts';

const POLL_MS = 50;

/**
 * Waits until the administrator's GET of `path` on the API server at `port` is answered with 200; for as long as the
 * signal lets it, since a machine may be slow and the server's end is noticed elsewhere.
 */
export async function waitUntilAnswered(port: number, layout: Layout, path: string, signal: AbortSignal): Promise<void> {
  const [ca, cert, key] = await Promise.all([layout.authority, layout.admin.certificate, layout.admin.key].map((file) => readFile(file)));
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  try {
    while (!signal.aborted && (await statusOf(port, path, agent)) !== 200) await sleep(POLL_MS);
  } finally {
    agent.destroy();
  }
}

/** The HTTP status, or undefined while nothing answers. */
function statusOf(port: number, path: string, agent: Agent): Promise<number | undefined> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => {
      resolve(undefined);
    });
  });
}
