import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { builtOnce } from '../../../hack/cluster/binaries.ts';

/** Longest time that the first use may take, on two cores that do something else besides. */
export const PROMTOOL_BUILD_LIMIT_MS = 600_000;

export interface ToolResult {
  readonly isOk: boolean;
  /** What it said, on both outputs. */
  readonly said: string;
}

const report = (line: string): void => void process.stderr.write(`promtool for tests: ${line}\n`);

/** Path of the program, built once (about 100 s of CPU time) and kept in the cache. */
export const promtoolProgram = async (): Promise<string> => join(await builtOnce('promtool', ['github.com/prometheus/prometheus/cmd/promtool'], process.env, report, import.meta.dirname, 'remove_all_sd'), 'promtool');

/** Runs Prometheus' own `promtool`; `input` is its standard input. */
export async function promtool(args: readonly string[], input = ''): Promise<ToolResult> {
  const program = await promtoolProgram();
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      // A number is its exit code; anything else says that it did not run.
      if (error && typeof error.code !== 'number') reject(new Error(`promtool did not run: ${error.message}`, { cause: error }));
      else resolve({ isOk: error === null, said: `${stdout}${stderr}` });
    });
    child.stdin?.end(input);
  });
}
