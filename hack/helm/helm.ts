/** The real Helm: built once from its published Go module (hack/helm/go.mod says which version), and run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { builtOnce } from '../cluster/binaries.ts';
import type { Report } from '../cluster/build.ts';

/** Helm ended with another exit code than 0; the message is what it wrote to standard error. */
class HelmError extends Error {
  override readonly name = 'HelmError';
  readonly exitCode: number;

  constructor(args: readonly string[], exitCode: number, stderr: string) {
    super(`helm ${args.join(' ')}: ${stderr.trim()}`);
    this.exitCode = exitCode;
  }
}

/** A way to run Helm: returns its standard output, rejects with HelmError when it fails. */
export type Helm = (args: readonly string[], stdin?: string) => Promise<string>;

/**
 * Path of the program. The first build takes three minutes on two cores, and processes that ask meanwhile wait for it.
 *
 * @throws BuildError when `go build` fails
 */
export async function helmProgram(env: NodeJS.ProcessEnv, report: Report): Promise<string> {
  return join(await builtOnce('helm', ['helm.sh/helm/v4/cmd/helm'], env, report, import.meta.dirname), 'helm');
}

export interface HelmOptions {
  /** Of `helmProgram`. */
  readonly program: string;
  /** A directory for what Helm keeps; the settings and plugins of the person at the machine play no part. */
  readonly home: string;
  /** Needed for all that speaks to a cluster; left out for `lint` and `template`. */
  readonly kubeconfig?: string;
}

export function helmFor({ program, home, kubeconfig }: HelmOptions): Helm {
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HELM_'))),
    HELM_CACHE_HOME: join(home, 'cache'), HELM_CONFIG_HOME: join(home, 'config'), HELM_DATA_HOME: join(home, 'data'),
    KUBECONFIG: kubeconfig ?? join(home, 'no-kubeconfig'),
  };
  return async (args, stdin) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    const ended = once(child, 'close') as Promise<[code: number | null]>;
    // It may end, with a message on standard error, before it has read its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin ?? '');
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    if (code !== 0) throw new HelmError(args, code ?? 1, `${stderr}${stdout}`.slice(-4000));
    return stdout;
  };
}
