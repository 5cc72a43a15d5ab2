/** The controller as a process of its own: started as in production, asked over HTTP whether it is ready, ended at will. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { NODE_FLAGS } from '../bundle/node-flags.ts';
import { readyOrEnded, startLeashed } from '../cluster/leash.ts';

const POLL_MS = 20;
const STOP_LIMIT_MS = 10_000;

export interface ControllerOptions {
  /** Path of the program `leash` (hack/cluster/leash.ts). */
  readonly leash: string;
  /** The program (hack/bundle). */
  readonly bundle: string;
  /** All of its environment but PATH and the ports, which are any free ones of 127.0.0.1. No Service sends to it, so it drains nothing unless told to. */
  readonly environment: Readonly<Record<string, string>>;
  /** A file that does not exist yet. */
  readonly logFile: string;
}

export interface Controller {
  /** Where CloudEvents are posted to. */
  readonly ingestUrl: string;
  /** `/healthz`, `/readyz` and `/metrics` are below it. */
  readonly opsUrl: string;
  readonly webUrl: string;
  readonly logFile: string;
  /** What it has logged so far. */
  log(): Promise<string>;
  /** Resolves with the exit code when it has ended, for whatever reason. */
  readonly exited: Promise<number>;
  /** kill -9. */
  kill(): Promise<void>;
  /** Asks it to end, and kills it after 10 s. */
  stop(): Promise<void>;
}

/** LDS and GradingEngine with the credentials of config/samples/20-credentials.yaml, and evidence in a folder. */
export const outside = ({ lds, grading, tokenUrl, directory }: Readonly<Record<'lds' | 'grading' | 'tokenUrl' | 'directory', string>>): Record<string, string> => ({
  LDS_URL: lds,
  LDS_CREDENTIALS_SECRET: 'lds-credentials',
  GRADING_ENGINE_URL: grading,
  GRADING_TOKEN_URL: tokenUrl,
  GRADING_CREDENTIALS_SECRET: 'grading-credentials',
  EVIDENCE_URL: `file://${join(directory, 'evidence')}`,
});

/**
 * Starts the controller and resolves when `/readyz` says that it is ready.
 * @throws ProcessEndedError with the end of its log when it ends before that
 */
export async function startController({ leash, bundle, environment, logFile }: ControllerOptions): Promise<Controller> {
  const env = { PATH: process.env['PATH'], INGEST_PORT: '0', OPS_PORT: '0', WEB_PORT: '0', LISTEN_HOST: '127.0.0.1', DRAIN_DELAY: '0s', ...environment };
  const child = startLeashed(leash, process.execPath, [...NODE_FLAGS, bundle], logFile, env);
  const { ingestPort, opsPort, webPort } = await readyOrEnded(child, 'lablet-controller', async (signal) => {
    const ports = await listeningPorts(logFile, signal);
    await untilReady(`http://127.0.0.1:${ports.opsPort}/readyz`, signal);
    return ports;
  });
  return {
    ingestUrl: `http://127.0.0.1:${ingestPort}/events`,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    webUrl: `http://127.0.0.1:${webPort}`,
    logFile,
    log: () => readFile(logFile, 'utf8'),
    exited: child.exited,
    kill: () => child.kill(),
    stop: async () => {
      const limit = new AbortController();
      const tooLong = sleep(STOP_LIMIT_MS, undefined, { signal: limit.signal, ref: false }).then(() => child.kill(), () => undefined);
      await Promise.race([child.terminate(), tooLong]);
      limit.abort();
    },
  };
}

const port = z.int().optional();
const listening = z.looseObject({ message: z.literal('listening'), ingestPort: port, opsPort: port, webPort: port });

/** The ports that the log names, once it names all. */
async function listeningPorts(logFile: string, signal: AbortSignal): Promise<{ ingestPort: number; opsPort: number; webPort: number }> {
  for (;;) {
    const lines = (await readFile(logFile, 'utf8')).split('\n').filter((line) => line.includes('"listening"'));
    const named = lines.flatMap((line) => listening.safeParse(JSON.parse(line)).data ?? []);
    const [ingestPort, opsPort, webPort] = (['ingestPort', 'opsPort', 'webPort'] as const).map((name) => named.find((line) => line[name] !== undefined)?.[name]);
    if (ingestPort !== undefined && opsPort !== undefined && webPort !== undefined) return { ingestPort, opsPort, webPort };
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function untilReady(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const status = await fetch(url, { signal }).then(async (response) => {
      await response.body?.cancel();
      return response.status;
    }, () => undefined);
    if (status === 200) return;
    await sleep(POLL_MS, undefined, { signal });
  }
}
