/**
 * A local log of events: JSON lines in structured mode, appended.
 *
 * An event counts as accepted once its line is on the disk (`fdatasync`); what arrives meanwhile shares the next one.
 * Each batch looks first whether the path still is the file that is open, so that a log rotated by renaming goes on in
 * a new file. The file is readable by its owner only: events carry launch URLs. Nothing is ever refused: a full disk is
 * waited for.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeEvent } from './codec.ts';
import { errorCode, SinkConfigurationError } from './sink.ts';
import type { FileHandle } from 'node:fs/promises';
import type { CloudEvent } from './cloudevent.ts';
import type { Delivery, Sink } from './sink.ts';

const NEWLINE = Buffer.from('\n');

export class FileSink implements Sink {
  readonly name: string;
  readonly #path: string;
  #handle: FileHandle | undefined;
  /** Lines that wait for the next batch, and its end. */
  #lines: Uint8Array[] = [];
  #next: Promise<void> | undefined;
  /** The batch under way, or the last one. */
  #current: Promise<void> = Promise.resolve();

  /**
   * @param url `file:///var/log/lablet/events.jsonl`; the folder must be there and writable
   * @throws SinkConfigurationError
   */
  constructor(url: URL) {
    this.name = `file://${url.pathname}`;
    this.#path = pathOf(url);
  }

  async send(event: CloudEvent, signal: AbortSignal): Promise<Delivery> {
    if (signal.aborted) return { outcome: 'retry', reason: 'broken off', blamesSink: false };
    const { body } = encodeEvent(event, 'structured');
    this.#lines.push(...(body === undefined ? [] : [body]), NEWLINE);
    try {
      await (this.#next ??= this.#batch());
      return { outcome: 'accepted' };
    } catch (error) {
      return { outcome: 'retry', reason: `the file cannot be written (${errorCode(error) ?? 'unknown cause'})`, blamesSink: true };
    }
  }

  async close(): Promise<void> {
    await (this.#next ?? this.#current).catch(() => undefined);
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Writes all lines that came until the batch before it was on the disk. */
  async #batch(): Promise<void> {
    await this.#current.catch(() => undefined);
    const lines = Buffer.concat(this.#lines);
    this.#lines = [];
    this.#current = this.#next ?? Promise.resolve();
    this.#next = undefined;
    try {
      const handle = await this.#opened();
      await handle.appendFile(lines);
      await handle.datasync();
    } catch (error) {
      // What was written of the lines, if anything, is unknown: begin anew with a clean line.
      await this.#handle?.close().catch(() => undefined);
      this.#handle = undefined;
      throw error;
    }
  }

  async #opened(): Promise<FileHandle> {
    const there = await stat(this.#path).catch(() => undefined);
    if (this.#handle && there?.ino === (await this.#handle.stat()).ino) return this.#handle;
    await this.#handle?.close();
    this.#handle = undefined;
    const handle = await open(this.#path, 'a+', 0o600);
    this.#handle = handle;
    const { size } = await handle.stat();
    if (size === 0) await syncFolder(dirname(this.#path));
    // A crash may have left half a line; its event was not accepted and comes again.
    if (size > 0 && (await handle.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0] !== NEWLINE[0]) await handle.appendFile(NEWLINE);
    return handle;
  }
}

/** A new file is safe only once its name is on the disk too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function pathOf(url: URL): string {
  const shown = `file://${url.host}${url.pathname}`;
  let path: string;
  try {
    path = fileURLToPath(url);
  } catch {
    throw new SinkConfigurationError(`sink '${shown}': write file:///PATH, with the path of the file from the root on`);
  }
  if (path.endsWith('/') || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) throw new SinkConfigurationError(`sink '${shown}': give the name of a file in the folder`);
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
  } catch {
    throw new SinkConfigurationError(`sink '${shown}': the folder ${dirname(path)} does not exist or cannot be written to; make it, or mount a volume there`);
  }
  return path;
}
