/**
 * `make demo` plays a scene on a real API server: three candidates and their grades, or with SCENE=fleet a fleet of
 * workers that comes and goes. Exit code 0 only if all came as it must. KEEP=1 leaves the first one running until Ctrl-C.
 */
import { z } from 'zod';
import { exam } from './exam.ts';
import { fleet } from './fleet.ts';
import { createStage } from './stage.ts';

const SCENES = { exam, fleet };

const environment = z.object({ SCENE: z.preprocess((value) => (value === '' ? undefined : value), z.enum(['exam', 'fleet'], { error: 'use SCENE=exam (default) or SCENE=fleet' }).default('exam')) });

const stage = createStage();
const interrupted = new AbortController();
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
  process.once(signal, () => {
    interrupted.abort();
    stage.screen.say('\nstopping everything');
    void stage.endAll().then(() => process.exit(code));
  });
}

try {
  const { SCENE } = environment.parse(process.env);
  const isAsExpected = await SCENES[SCENE](stage);
  await stage.endAll();
  process.exitCode = isAsExpected ? 0 : 1;
} catch (error) {
  // What is being stopped complains; the signal has its own exit code.
  if (!interrupted.signal.aborted) {
    process.stderr.write(`the demo failed: ${messageOf(error)}\n`);
    await stage.endAll();
    process.exitCode = 1;
  }
}

function messageOf(error: unknown): string {
  if (error instanceof z.ZodError) return error.issues.map(({ message }) => message).join('; ');
  return error instanceof Error ? error.message : String(error);
}
