/** What wakes a controller: where keys to work on come from. */
import type { AddOptions } from './queue.ts';

export type Wake = (key: string, options?: AddOptions) => void;

export interface Source {
  /**
   * Begins to wake keys: first every key that exists (with low priority, nobody waits for those), then
   * whatever changes.
   * @returns what ends it
   */
  start(wake: Wake): () => void;
}
