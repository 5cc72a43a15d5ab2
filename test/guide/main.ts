/** Follows docs/install.md, "On a cluster of your own machine", as a person would: every command as printed, in one shell. Part of `make soak`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = resolve(import.meta.dirname, '../..');
/** What the last look at the session must show. */
const GRADED = /labletsession\.lablet\.dev\/first +Archived .* 87 +true/;

const [, section = ''] = readFileSync(resolve(ROOT, 'docs/install.md'), 'utf8').split('## On a cluster of your own machine\n');
const commands = [...section.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) => block).join('');
// Whatever fails in between, nothing is left running.
const script = `set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true; make cluster-down' EXIT\n${commands}trap - EXIT\n`;

const shell = spawn('bash', ['-s'], { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
shell.stdin.end(script);
const [output, [code]] = await Promise.all([text(shell.stdout), once(shell, 'close') as Promise<unknown[]>]);
const isDone = code === 0 && GRADED.test(output);
process.stdout.write(isDone ? 'the installation guide leads to a graded session\n' : `${output}\nthe installation guide does not work: exit code ${String(code)}\n`);
process.exitCode = isDone ? 0 : 1;
