/**
 * Asks the registry whether advisories are known about the packages that are in the image, and fails for one that is high
 * or critical. Registries behind a mirror often do not answer that question: with `--if-answered` this is said in a note and is no failure.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const TIMEOUT_MS = 60_000;
const SERIOUS = ['high', 'critical'];

const advisory = z.looseObject({ title: z.string(), url: z.string() });
const report = z.looseObject({
  vulnerabilities: z.record(z.string(), z.looseObject({ severity: z.string(), range: z.string(), via: z.array(z.union([z.string(), advisory])) })),
});

const npm = spawn('npm', ['audit', '--omit=dev', '--json'], { cwd: resolve(import.meta.dirname, '..'), stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS });
const [stdout, stderr] = await Promise.all([text(npm.stdout), text(npm.stderr), once(npm, 'close')]);
const answer = report.safeParse(parsed(stdout));

if (!answer.success) {
  const why = /^npm (?:error|warn) (audit .*|.*(?:request|network|E[A-Z]{4,}).*)$/m.exec(stderr)?.[1] ?? 'no answer';
  const tolerated = process.argv.includes('--if-answered');
  process.stdout.write(`${tolerated ? 'note: ' : ''}advisories were not looked up: the registry does not say (${why})\n`);
  process.exitCode = tolerated ? 0 : 2;
} else {
  const serious = Object.entries(answer.data.vulnerabilities).filter(([, { severity }]) => SERIOUS.includes(severity));
  for (const [name, { severity, range, via }] of serious) {
    const reasons = via.map((cause) => (typeof cause === 'string' ? `through ${cause}` : `${cause.title} (${cause.url})`));
    process.stdout.write(`${name} ${range}: ${severity}: ${reasons.join('; ')}\n`);
  }
  process.stdout.write(`${serious.length} package(s) of the image with a high or critical advisory\n`);
  process.exitCode = serious.length > 0 ? 1 : 0;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
