/** `make soak`, second part: chaos runs one after the other; exit code 0 only if nothing was lost, doubled, reordered or stranded in any. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { endings } from '../soak/judge.ts';
import { chaosProblems, figures } from './judge.ts';
import { runChaos } from './run.ts';

const text = (fallback: string) => ({ type: 'string', default: fallback }) as const;
const { values } = parseArgs({
  options: {
    'runs': text('3'), 'sessions': text('300'), 'workers': text('16'), 'kills': text('20'), 'leader-changes': text('5'),
    // A minute of the domain is 15 s: a lease that has to run out is a minute, and an archive is kept for 15.
    'scale': text('4'), 'late-ms': text('20000'), 'seed': text(process.env['LABLET_SEED'] ?? String(randomInt(1_000_000))),
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

let failed = 0;
for (let run = 1; run <= Number(values.runs); run++) {
  // The first run has the seed itself, so that `--runs 1` plays any of them again.
  const seed = run === 1 ? values.seed : String(Number(values.seed) + run - 1);
  say(`chaos, run ${run} of ${values.runs}: ${values.sessions} sessions, ${values.kills} kills, ${values['leader-changes']} leader changes; LABLET_SEED=${seed} plays it again`);
  const began = performance.now();
  const outcome = await runChaos({
    sessions: Number(values.sessions), workers: Number(values.workers), kills: Number(values.kills), leaderChanges: Number(values['leader-changes']),
    scale: Number(values.scale), lateMs: Number(values['late-ms']), seed, report: say,
  });
  const problems = chaosProblems(outcome);
  for (const line of [...endings(outcome), ...figures(outcome)]) say(`  ${line}`);
  for (const problem of problems) process.stderr.write(`  ${problem.slice(0, 2_000)}\n`);
  say(`${problems.length === 0 ? 'every event came, in order and without a gap, and no session is stranded' : `${problems.length} problems`}; ${Math.round((performance.now() - began) / 1000)} s`);
  if (problems.length > 0) failed += 1;
}
// Connections of the simulators may still be open.
process.exit(failed === 0 ? 0 : 1);
