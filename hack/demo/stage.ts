/** What every scene of the demo stands on: where it speaks, a cluster, and the promise that what it started is ended. */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { leashProgram } from '../cluster/binaries.ts';
import { openCluster, type Cluster } from '../cluster/cluster.ts';
import { createScreen, type Screen } from './show.ts';
import type { Stack } from './stack.ts';

const POLL_MS = 200;
/** Lines of the controller's log that are shown when something went wrong. */
const LOG_LINES = 15;
const CRDS = resolve(import.meta.dirname, '../../crds');

export interface Stage {
  readonly screen: Screen;
  /** A cluster with the CRDs, as the environment chooses it, and the program that ends what is left of this one. */
  openCluster(): Promise<{ leash: string; cluster: Cluster }>;
  /** Sees to it that what is being started is stopped in the end, also when the end comes in the middle of the start. */
  toBeStopped<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T>;
  /** To be done in the end; what was added last comes first. */
  atEnd(end: () => Promise<void>): void;
  /** Ends everything; says what would not end. */
  endAll(): Promise<void>;
}

/** Resolves with whether all came as expected; says what did not. */
export type Scene = (stage: Stage) => Promise<boolean>;

export function createStage(): Stage {
  const screen = createScreen(process.stdout.isTTY && process.env['CI'] !== 'true');
  const endings: (() => Promise<void>)[] = [];
  const toBeStopped: Stage['toBeStopped'] = (starting) => {
    endings.push(async () => (await starting.catch(() => undefined))?.stop());
    return starting;
  };
  return {
    screen, toBeStopped,
    atEnd: (end) => void endings.push(end),
    openCluster: async () => {
      const leash = await leashProgram(process.env, screen.say);
      return { leash, cluster: await toBeStopped(openCluster(process.env, [CRDS], screen.say)) };
    },
    endAll: async () => {
      for (const end of endings.splice(0).reverse()) {
        await end().catch((error: unknown) => {
          process.stderr.write(`while cleaning up: ${error instanceof Error ? error.message : String(error)}\n`);
        });
      }
    },
  };
}

/**
 * Waits until something is so, and resolves with whether it came to be in that time.
 * @throws Error with the end of the log when the controller ends before that
 */
export async function waitUntil(stack: Stack, isSo: () => boolean, limitMs: number): Promise<boolean> {
  const over = new AbortController();
  const died = stack.controller.exited.then(async (code) => {
    throw new Error(`the controller ended with exit code ${code}\n${await endOfLog(stack)}`);
  });
  const waited = (async () => {
    for (const deadline = performance.now() + limitMs; !isSo() && performance.now() < deadline && !over.signal.aborted; ) await sleep(POLL_MS);
    return isSo();
  })();
  try {
    return await Promise.race([waited, died]);
  } finally {
    over.abort();
  }
}

/** The log goes with the rest when the demo ends, so its end is shown where something went wrong. */
export async function endOfLog({ controller }: Stack): Promise<string> {
  const lines = (await controller.log()).trimEnd().split('\n');
  return `the end of the controller's log:\n${lines.slice(-LOG_LINES).map((line) => `  ${line}\n`).join('')}`;
}
