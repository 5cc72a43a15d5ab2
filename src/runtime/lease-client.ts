/** Reads, follows and writes one Lease, and remembers since when it has been as it is. */
import type { KubeClient } from '../kube/client.ts';
import { AlreadyExistsError, ConflictError, NotFoundError } from '../kube/errors.ts';
import type { Clock } from './clock.ts';
import { freeIn, heldSpec, holderOf, LEASES, newLease, releasedSpec, sight } from './lease.ts';
import type { Lease, Sighting } from './lease.ts';

export interface LeaseClientOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly namespace: string;
  readonly name: string;
  /** Must be unique among all processes that campaign, restarts included. */
  readonly identity: string;
  readonly durationMs: number;
}

export interface RequestBounds {
  readonly signal: AbortSignal;
  /** For each request, in milliseconds: a half-open connection must not eat the time to renew. */
  readonly timeoutMs: number;
}

export class LeaseClient {
  private readonly options: LeaseClientOptions;
  private seen: Sighting | undefined;

  constructor(options: LeaseClientOptions) {
    this.options = options;
  }

  /** The holder by our last sight; undefined: nobody, or never seen. */
  get holder(): string | undefined {
    return this.seen && holderOf(this.seen.lease);
  }

  /** In how many milliseconds it may be taken, by our last sight. 0 or less: now. */
  freeIn(): number {
    return this.seen ? freeIn(this.seen, this.options.clock.monotonic()) : 0;
  }

  /**
   * Takes or keeps the lease, unless another holds it. One request as a rule; two more if somebody
   * wrote in between.
   * @returns the monotonic moment from which the lease counts: before the request that was granted
   *   was sent; undefined if another holds it
   */
  async hold(bounds: RequestBounds): Promise<number | undefined> {
    const { client, clock, name, namespace, identity, durationMs } = this.options;
    if (!this.seen) await this.refresh(bounds);
    for (let lastTry = false; ; lastTry = true) {
      const seen = this.seen;
      if (seen && holderOf(seen.lease) !== identity && freeIn(seen, clock.monotonic()) > 0) return undefined;
      const sentAt = clock.monotonic();
      const spec = heldSpec(seen?.lease.spec, identity, durationMs, clock.now());
      try {
        this.saw(seen
          ? await client.update(LEASES, { ...seen.lease, spec }, { ...bounds, retries: 0 })
          : await client.create(LEASES, newLease(name, namespace, spec), { ...bounds, retries: 0 }));
        return sentAt;
      } catch (error) {
        const writtenMeanwhile = error instanceof ConflictError || error instanceof AlreadyExistsError || error instanceof NotFoundError;
        if (lastTry || !writtenMeanwhile) throw error;
        await this.refresh(bounds);
      }
    }
  }

  /** Gives the lease back if it is ours. */
  async release(bounds: RequestBounds): Promise<void> {
    const { client, clock, identity } = this.options;
    await this.refresh(bounds);
    const lease = this.seen?.lease;
    if (!lease || holderOf(lease) !== identity) return;
    this.saw(await client.update(LEASES, { ...lease, spec: releasedSpec(lease.spec, clock.now()) }, { ...bounds, retries: 0 }));
  }

  /** Reads it live. */
  async refresh(bounds: RequestBounds): Promise<void> {
    const { client, name, namespace } = this.options;
    try {
      this.saw(await client.get(LEASES, name, namespace, { ...bounds, retries: 0 }));
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      this.seen = undefined;
    }
  }

  /**
   * Follows the lease by one watch and calls `changed` after each change, until the watch ends.
   * @throws what ends a watch other than the server closing it
   */
  async follow(signal: AbortSignal, changed: () => void): Promise<void> {
    const { client, name, namespace, durationMs } = this.options;
    const resourceVersion = this.seen?.lease.metadata.resourceVersion;
    if (resourceVersion === undefined) return;
    const events = client.watch(LEASES, {
      namespace, fieldSelector: `metadata.name=${name}`, resourceVersion, signal,
      allowWatchBookmarks: true, timeoutSeconds: 300 + Math.floor(300 * Math.random()), idleMs: 5 * durationMs,
    });
    for await (const event of events) {
      if (event.type === 'BOOKMARK') continue;
      if (event.type === 'DELETED') this.seen = undefined;
      else this.saw(event.object);
      changed();
    }
  }

  private saw(lease: Lease): void {
    this.seen = sight(this.seen, lease, this.options.clock.monotonic());
  }
}
