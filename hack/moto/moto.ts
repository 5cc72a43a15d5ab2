import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { leashProgram } from '../cluster/binaries.ts';
import { readyOrEnded, startLeashed } from '../cluster/leash.ts';
import { freePort } from '../cluster/ports.ts';
import { pythonWith } from '../python/venv.ts';

const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url));
const POLL_MS = 100;

/** Time to make the virtual environment on the first run of a machine: for a test's `beforeAll`. */
export const MOTO_START_LIMIT_MS = 600_000;

export interface Moto {
  /** What AWS_ENDPOINT_URL is set to; any credentials and regions will do. */
  readonly url: string;
  /** Forgets all that was made there. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** The interpreter that has moto. */
export const motoPython = (): Promise<string> => pythonWith('moto', REQUIREMENTS);

/** A moto server (EC2, EventBridge, SQS) on a free port of the loopback interface; it ends with this process. */
export async function startMoto(): Promise<Moto> {
  const python = await motoPython();
  const leash = await leashProgram(process.env, (line) => void process.stderr.write(`moto: ${line}\n`));
  const directory = await mkdtemp(join(tmpdir(), 'lablet-moto-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = startLeashed(leash, python, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)], join(directory, 'server.log'));
  const close = async (): Promise<void> => {
    await server.kill();
    await rm(directory, { recursive: true, force: true });
  };
  const reset = async (): Promise<void> => {
    const response = await fetch(`${url}/moto-api/reset`, { method: 'POST' });
    if (!response.ok) throw new Error(`moto answered ${response.status} to a reset`);
    await response.body?.cancel();
  };
  try {
    await readyOrEnded(server, 'moto', async (signal) => {
      // It listens a second or so after its start.
      while (!(await reset().then(() => true, () => false))) await sleep(POLL_MS, undefined, { signal });
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { url, reset, close };
}
