/** Secrets, read by name and never listed; kept for 30 s so that a change is seen soon and a call costs no read. */
import { SECRETS } from '../api/kinds.ts';
import { NotFoundError } from '../kube/errors.ts';
import type { CallOptions, KubeClient } from '../kube/client.ts';
import type { Credentials } from '../clients/factory-port.ts';
import type { Clock } from '../runtime/clock.ts';

const KEEP_MS = 30_000;
/** An optional value is asked for by who can come again: two tries of 5 s, then the error that says so. */
const OPTIONAL: Call = { fresh: true, timeoutMs: 5_000, retries: 1 };

interface Call extends CallOptions {
  /** Read it even if it was read just now. */
  readonly fresh?: boolean;
}

/** Thrown when a Secret, or a key of it, is not there: says which, and never what is in it. */
export class MissingSecretError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MissingSecretError';
  }
}

export class SecretReader {
  private readonly client: KubeClient;
  private readonly clock: Clock;
  private readonly kept = new Map<string, { at: number; data: ReadonlyMap<string, string> }>();

  constructor(client: KubeClient, clock: Clock) {
    this.client = client;
    this.clock = clock;
  }

  /** All keys of a Secret, decoded; a Map, since a definition may ask for a key called `constructor`. @throws MissingSecretError, KubeError */
  async read(namespace: string, name: string, { fresh = false, ...options }: Call): Promise<ReadonlyMap<string, string>> {
    const key = `${namespace}/${name}`;
    const kept = this.kept.get(key);
    if (kept && !fresh && this.clock.monotonic() - kept.at < KEEP_MS) return kept.data;
    const data = await this.fetch(namespace, name, options);
    const now = this.clock.monotonic();
    // What is too old to be used is not held on to: there is a launch URL for each session.
    for (const [other, { at }] of this.kept) if (now - at >= KEEP_MS) this.kept.delete(other);
    this.kept.set(key, { at: now, data });
    return data;
  }

  /** One key of a Secret. @throws MissingSecretError */
  async value(namespace: string, ref: { name: string; key?: string | undefined }, fallbackKey: string, options: { signal: AbortSignal; fresh?: boolean }): Promise<string> {
    const key = ref.key ?? fallbackKey;
    const value = (await this.read(namespace, ref.name, options)).get(key);
    if (value === undefined) throw new MissingSecretError(`Secret ${namespace}/${ref.name} has no key ${key}; add it`);
    return value;
  }

  /** One key of a Secret, always read anew; null if the Secret or the key is gone. */
  async optional(namespace: string, name: string, key: string): Promise<string | null> {
    try {
      return (await this.read(namespace, name, OPTIONAL)).get(key) ?? null;
    } catch (error) {
      if (error instanceof MissingSecretError) return null;
      throw error;
    }
  }

  /** User name, password and CA of a host; `key` is `namespace/name`. @throws MissingSecretError */
  async credentials(key: string, options: { signal: AbortSignal; fresh: boolean }): Promise<Credentials> {
    const [namespace = '', name = ''] = key.split('/');
    const data = await this.read(namespace, name, options);
    const [username, password] = [data.get('username'), data.get('password')];
    if (username === undefined || password === undefined) throw new MissingSecretError(`Secret ${key} needs the keys username and password`);
    return { username, password, ca: data.get('ca.crt') };
  }

  private async fetch(namespace: string, name: string, options: CallOptions): Promise<ReadonlyMap<string, string>> {
    try {
      const secret = await this.client.get(SECRETS, name, namespace, options);
      return new Map(Object.entries(secret.data ?? {}).map(([field, value]) => [field, Buffer.from(value, 'base64').toString('utf8')]));
    } catch (error) {
      if (error instanceof NotFoundError) throw new MissingSecretError(`Secret ${namespace}/${name} does not exist; create it`);
      throw error;
    }
  }
}
