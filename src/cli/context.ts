/** What every command works with: the cluster, the namespace, the reader's terminal. */
import { KubeClient } from '../kube/client.ts';
import { loadConnection } from '../kube/kubeconfig.ts';
import { CliError, EXIT } from './errors.ts';
import { colours, harmless, noColours } from './style.ts';
import { rendered } from './view.ts';
import type { Style } from './style.ts';
import type { Format, Lines } from './view.ts';

/** The options that all commands share, as commander reads them. */
export interface GlobalOptions {
  namespace?: string;
  allNamespaces?: true;
  output?: Exclude<Format, 'text'>;
  context?: string;
  kubeconfig?: string;
  local?: true;
}

export class Context {
  readonly client: KubeClient;
  /** Of -n, else of the kubeconfig's context. */
  readonly namespace: string;
  /** Where sessions are looked for: undefined with -A. */
  readonly scope: string | undefined;
  /** Did the reader name it (-n)? */
  readonly named: boolean;
  readonly format: Format;
  readonly style: Style;

  private constructor(client: KubeClient, { namespace, allNamespaces, output, local }: GlobalOptions) {
    this.client = client;
    this.namespace = namespace ?? client.connection.namespace;
    this.named = namespace !== undefined;
    this.scope = allNamespaces ? undefined : this.namespace;
    this.format = output ?? 'text';
    const coloured = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
    this.style = { paint: coloured ? colours : noColours, timeZone: local ? new Intl.DateTimeFormat().resolvedOptions().timeZone : 'UTC' };
  }

  /** @throws ConfigurationError, CliError for options that contradict each other */
  static async open(options: GlobalOptions): Promise<Context> {
    if (options.namespace !== undefined && options.allNamespaces) throw new CliError(EXIT.usage, 'Give -n or -A, not both.');
    const connection = await loadConnection({ kubeconfig: options.kubeconfig, context: options.context });
    // A person waits: one more try, and then they are told.
    return new Context(new KubeClient(connection, { retry: { retries: 1 }, userAgent: 'kubectl-lablet', fieldManager: 'kubectl-lablet', connections: 8 }), options);
  }

  get server(): string {
    return this.client.connection.server.origin;
  }

  /** Prints the result of a command. */
  show<V>(view: V, lines: Lines<V>, compact = false): void {
    process.stdout.write(rendered(view, lines, { format: this.format, style: this.style, now: new Date(), compact }));
  }

  /** Says something beside the result, which scripts do not read. */
  note(text: string): void {
    process.stderr.write(`note: ${harmless(text)}\n`);
  }
}

/** Runs until it is over or the reader presses Ctrl-C, which is a good end. */
export async function untilInterrupted(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, abort);
  try {
    await run(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, abort);
  }
}
