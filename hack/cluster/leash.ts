import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { basename } from 'node:path';

/** A child process that cannot outlive this one. */
export interface LeashedProcess {
  /** The file that receives its standard output and error. */
  readonly logFile: string;
  /** Resolves with the exit code once it has ended, for whatever reason (128+n for signal n). */
  readonly exited: Promise<number>;
  /** Ends it at once (SIGKILL) and waits until it is gone. */
  kill(): Promise<void>;
  /** Asks it to end (SIGTERM) and waits until it is gone. */
  terminate(): Promise<void>;
}

/** A child ended before it was expected to; carries the end of its log. */
export class ProcessEndedError extends Error {
  override readonly name = 'ProcessEndedError';
  readonly logTail: string;

  constructor(what: string, code: number, logFile: string, logTail: string) {
    super(`${what} ended with exit code ${code}; the end of ${logFile}:\n${logTail}`);
    this.logTail = logTail;
  }
}

/**
 * Starts `command` under `leash` (hack/controlplane/cmd/leash), which kills it as soon as this process is gone, be it by
 * kill -9. It gets a session of its own, so Ctrl-C reaches only this process, which can then end its children in order.
 *
 * @param env the whole environment of the command; default: that of this process
 */
export function startLeashed(leash: string, command: string, args: readonly string[], logFile: string, env: NodeJS.ProcessEnv = process.env): LeashedProcess {
  const log = openSync(logFile, 'a');
  const child = spawn(leash, [command, ...args], { stdio: ['pipe', log, log], detached: true, env });
  closeSync(log);
  const exited = once(child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : 128 + constants.signals.SIGKILL));
  // A child is no reason for this process to stay alive: when it ends, the leash does its work.
  child.unref();
  const { stdin } = child;
  if (!(stdin instanceof Socket)) throw new TypeError('the leash needs a pipe for its standard input');
  stdin.unref();
  return {
    logFile,
    exited,
    kill: async () => {
      child.ref();
      stdin.destroy();
      await exited;
    },
    terminate: async () => {
      child.ref();
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/**
 * Resolves as `ready` does, unless the process ends first.
 *
 * @throws ProcessEndedError with the last 20 lines of the log.
 */
export async function readyOrEnded<T>(process: LeashedProcess, what: string, ready: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const ended = process.exited.then(async (code) => {
    const log = await readFile(process.logFile, 'utf8').catch(() => '');
    throw new ProcessEndedError(what, code, basename(process.logFile), log.trimEnd().split('\n').slice(-20).join('\n'));
  });
  ended.catch(() => undefined);
  try {
    return await Promise.race([ready(abort.signal), ended]);
  } finally {
    abort.abort();
  }
}
