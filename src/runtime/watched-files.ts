/**
 * Files that are replaced while the program runs: certificates and secrets that Kubernetes mounts. They are read again
 * from time to time and compared. A file system need not tell of the symbolic link `..data` that the kubelet swaps, and
 * a few kilobytes are quickly read.
 */
import { readFile } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import type { Logger } from '../telemetry/log.ts';

/** A file cannot be used. The message names the setting, the file and what is wrong. */
export class WatchedFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WatchedFileError';
  }
}

export interface WatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** @default 5_000 */
  readonly everyMs?: number;
}

/** Files by the name of the setting that names them; what one `use` gets belongs together, as a key and its certificate do. */
export class WatchedFiles<Name extends string> {
  readonly #paths: Readonly<Record<Name, string>>;
  readonly #use: (contents: Readonly<Record<Name, Buffer>>) => void;
  #last: Readonly<Record<Name, Buffer>>;

  private constructor(paths: Readonly<Record<Name, string>>, use: (contents: Readonly<Record<Name, Buffer>>) => void, first: Readonly<Record<Name, Buffer>>) {
    this.#paths = paths;
    this.#use = use;
    this.#last = first;
  }

  /** Reads the files and uses them once. @throws WatchedFileError if one cannot be read, and what `use` throws */
  static async open<Name extends string>(paths: Readonly<Record<Name, string>>, use: (contents: Readonly<Record<Name, Buffer>>) => void): Promise<WatchedFiles<Name>> {
    const contents = await readAll(paths);
    use(contents);
    return new WatchedFiles(paths, use, contents);
  }

  /**
   * Uses the files again whenever they have changed, until `signal` aborts. What cannot be read or used is logged once
   * and tried again: until then what was there before stays in use.
   */
  async watch(signal: AbortSignal, { clock, log, everyMs = 5000 }: WatchOptions): Promise<void> {
    const files = Object.values<string>(this.#paths);
    let told: string | undefined;
    for (;;) {
      await clock.sleep(everyMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        if (await this.#renew()) log.info({ files }, 'changed files are in use');
        told = undefined;
      } catch (error) {
        if (String(error) !== told) log.error({ files, error }, 'changed files cannot be used; those before stay in use');
        told = String(error);
      }
    }
  }

  async #renew(): Promise<boolean> {
    const contents = await readAll(this.#paths);
    const names = Object.keys(contents) as Name[];
    if (names.every((name) => contents[name].equals(this.#last[name]))) return false;
    this.#use(contents);
    this.#last = contents;
    return true;
  }
}

/** One after the other, so that of several that are gone it is always the same that is named. */
async function readAll<Name extends string>(paths: Readonly<Record<Name, string>>): Promise<Record<Name, Buffer>> {
  const contents: [string, Buffer][] = [];
  for (const [name, path] of Object.entries<string>(paths)) {
    try {
      contents.push([name, await readFile(path)]);
    } catch (cause) {
      throw new WatchedFileError(`${name}: the file ${path} cannot be read (${codeOf(cause)})`, { cause });
    }
  }
  return Object.fromEntries(contents) as Record<Name, Buffer>;
}

const codeOf = (error: unknown): string => (typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error));
