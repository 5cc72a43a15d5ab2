/** Where the evidence of a session is kept: configurations, console logs and their manifest. */

export interface EvidenceStore {
  /** Stores one file under `key` (`<session uid>/<pipeline>/<name>`); a second put of a key replaces the first. */
  put(key: string, content: Uint8Array, options: { signal: AbortSignal }): Promise<{ uri: string; sha256: string }>;
}
