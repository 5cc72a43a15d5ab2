/** `lablet-controller check`: asks a running controller whether it works. `helm test` runs it. */
import { Command } from 'commander';
import { request } from 'undici';
import { z } from 'zod';
import { EVENT_TYPES } from '../api/event-schemas.ts';

const TIMEOUT_MS = 5000;

/** One question to the running controller; answers undefined if all is well, else what is wrong. */
type Check = (url: string) => Promise<string | undefined>;

const listed = z.object({ schemas: z.array(z.object({ type: z.string() })) });

const ready: Check = async (url) => {
  const { status, body } = await get(url);
  return status === 200 ? undefined : `${status}: ${body.trim().slice(0, 500)}`;
};

/** A pod of another version would list other types. */
const schemas: Check = async (url) => {
  const { status, body } = await get(url);
  if (status !== 200) return `${status}`;
  const types = listed.parse(JSON.parse(body)).schemas.map(({ type }) => type);
  const missing = EVENT_TYPES.filter((type) => !types.includes(type));
  return missing.length === 0 ? undefined : `no schema of ${missing.join(', ')}`;
};

const CHECKS = { ready, schemas } as const;
/** URLs by what is to be checked there. */
export type Asked = Partial<Readonly<Record<keyof typeof CHECKS, string>>>;

/** Makes every check that is asked for, and prints a line for each. @returns are all of them passed? */
export async function check(asked: Asked, print: (line: string) => void): Promise<boolean> {
  let isWell = true;
  for (const name of ['ready', 'schemas'] as const) {
    const url = asked[name];
    if (url === undefined) continue;
    const problem = await CHECKS[name](url).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    print(`${name} ${url}: ${problem ?? 'ok'}`);
    isWell &&= problem === undefined;
  }
  return isWell;
}

export function checkCommand(print: (line: string) => void): Command {
  return new Command('check')
    .description('asks a running controller whether it works; exit code 1 if it does not')
    .option('--ready <url>', 'it must say that it is ready, e.g. http://127.0.0.1:8081/readyz')
    .option('--schemas <url>', 'it must have the schema of each event of this version, e.g. http://127.0.0.1:8082/schemas/')
    .action(async (asked: Asked, command: Command) => {
      if (Object.keys(asked).length === 0) command.error('check: say what to check, with --ready or --schemas');
      if (!(await check(asked, print))) process.exitCode = 1;
    });
}

async function get(url: string): Promise<{ status: number; body: string }> {
  const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  return { status: statusCode, body: await body.text() };
}
