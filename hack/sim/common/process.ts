/** A simulator that can run as a process of its own. */
export interface Runnable {
  /** What its random choices were drawn from: the same seed plays the same world again. */
  readonly seed: string;
  listen(): Promise<string>;
  close(): Promise<void>;
}

/**
 * Runs a simulator until SIGTERM or SIGINT, or, with `exitWithParent`, until standard input ends,
 * which it does when the parent dies, however it dies. Prints one line of JSON when ready.
 */
export async function runProcess(sim: string, simulator: Runnable, exitWithParent: boolean): Promise<void> {
  const stop = (): void => {
    void simulator.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  const url = await simulator.listen();
  if (exitWithParent) process.stdin.once('end', stop).once('error', stop).resume();
  process.stdout.write(`${JSON.stringify({ sim, url, seed: simulator.seed })}\n`);
}
