/** `lablet-controller check`: asks a running controller whether it works. `helm test` and the image's health check run it. */
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

/** Exit code 0 if every check that was asked for is passed, else 1. */
export function checkCommand(print: (line: string) => void): Command {
  return new Command('check')
    .description('asks a running controller whether it works; exit code 1 if it does not')
    .option('--ready <url>', 'it must say that it is ready, e.g. http://127.0.0.1:8081/readyz')
    .option('--schemas <url>', 'it must have the schema of each event of this version, e.g. http://127.0.0.1:8082/schemas/')
    .action(async (asked: Partial<Record<keyof typeof CHECKS, string>>, command: Command) => {
      const given = (['ready', 'schemas'] as const).flatMap((name) => (asked[name] === undefined ? [] : [{ name, url: asked[name] }]));
      if (given.length === 0) command.error('check: say what to check, with --ready or --schemas');
      for (const { name, url } of given) {
        const problem = await CHECKS[name](url).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
        print(`${name} ${url}: ${problem ?? 'ok'}`);
        if (problem !== undefined) process.exitCode = 1;
      }
    });
}

async function get(url: string): Promise<{ status: number; body: string }> {
  const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  return { status: statusCode, body: await body.text() };
}
