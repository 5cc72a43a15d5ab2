import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from './errors.ts';

const RETRY_MS = 300;

/**
 * Runs `work` while no other process holds the lock file `path`. The file names its holder's process id, so the lock of
 * a process that was killed is taken over. Two that take over at the same instant may both go on: use it to save work,
 * not to protect data.
 *
 * @param onWait called once, if the lock is held by another process
 */
export async function withLock<T>(path: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  let waited = false;
  while (!(await tryAcquire(path))) {
    if (!waited) onWait();
    waited = true;
    await sleep(RETRY_MS);
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Whether a process with this id exists on this machine. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

async function tryAcquire(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  const holder = await readFile(path, 'utf8').catch(() => '');
  // An empty file is a holder that has not written its id yet; it will have by the next try.
  if (/^\d+$/.test(holder) && !isAlive(Number(holder))) await rm(path, { force: true });
  return false;
}
