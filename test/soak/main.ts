/** First part of `make soak`: 500 sessions of every fate on 20 hosts; exit code 0 only if nothing is left and every path is legal. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { endings, soakProblems } from './judge.ts';
import { runSoak } from './run.ts';

const { values } = parseArgs({ options: { sessions: { type: 'string', default: '500' }, workers: { type: 'string', default: '20' }, seed: { type: 'string', default: process.env['LABLET_SEED'] ?? String(randomInt(1_000_000)) } } });
const say = (line: string): void => void process.stdout.write(`${line}\n`);

say(`soak: ${values.sessions} sessions on ${values.workers} hosts; LABLET_SEED=${values.seed} plays it again`);
const began = performance.now();
const outcome = await runSoak({ sessions: Number(values.sessions), workers: Number(values.workers), seed: values.seed, report: say });
const problems = soakProblems(outcome);
for (const line of endings(outcome)) say(`  ${line}`);
const counts = [...outcome.writes.values()];
say(`${counts.reduce((sum, count) => sum + count, 0)} status writes of sessions, ${outcome.conflicts} of them refused, at most ${Math.max(...counts)} of one session`);
say(`${outcome.deliveries.length} events at the sink; ${Math.round((performance.now() - began) / 1000)} s`);
for (const problem of problems) process.stderr.write(`  ${problem.slice(0, 2_000)}\n`);
say(problems.length === 0 ? 'nothing is left behind, and every path is legal' : `${problems.length} problems`);
// Connections of the simulators may still be open.
process.exit(problems.length === 0 ? 0 : 1);
