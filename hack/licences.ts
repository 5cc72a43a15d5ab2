/** Checks licences, hashes and install scripts of all packages in package-lock.json. No network, nothing installed. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { countLicences, lockFile, problemsOf } from './supply/lock.ts';

const read = (name: string): unknown => JSON.parse(readFileSync(resolve(import.meta.dirname, '..', name), 'utf8'));
const lock = lockFile.parse(read('package-lock.json'));
const { allowScripts } = z.looseObject({ allowScripts: z.record(z.string(), z.boolean()) }).parse(read('package.json'));

const problems = problemsOf(lock, allowScripts);
process.stdout.write(`production: ${countLicences(lock, false)}\ndevelopment: ${countLicences(lock, true)}\n`);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length > 0 ? 1 : 0;
