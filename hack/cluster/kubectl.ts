import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** kubectl ended with another exit code than 0; the message is what it wrote to standard error. */
export class KubectlError extends Error {
  override readonly name = 'KubectlError';
  readonly exitCode: number;

  constructor(args: readonly string[], exitCode: number, stderr: string) {
    super(`kubectl ${args.join(' ')}: ${stderr.trim()}`);
    this.exitCode = exitCode;
  }
}

/** A way to run kubectl against one cluster as one user: returns its standard output. */
export type Kubectl = (args: readonly string[], stdin?: string) => Promise<string>;

/**
 * kubectl with the credentials of `kubeconfig`.
 *
 * @param program path or name of the program
 * @param cacheDirectory for its memory of what the server offers; its default is shared by all servers that ever had the same port
 * @returns a function that rejects with KubectlError when kubectl fails
 */
export function kubectlFor(program: string, kubeconfig: string, cacheDirectory: string): Kubectl {
  return async (args, stdin) => {
    const child = spawn(program, [`--kubeconfig=${kubeconfig}`, `--cache-dir=${cacheDirectory}`, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        resolve(code ?? 1);
      });
    });
    // It may end, with a message on standard error, before it has read its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin ?? '');
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    if (code !== 0) throw new KubectlError(args, code, stderr);
    return stdout;
  };
}
