/** Who this process is among all that campaign for the lease. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/**
 * The pod's name, where there is one: the kubelet starts a container again only after the last one has ended, so a
 * controller that crashed takes its own lease up again at once instead of waiting 15 s for it to run out.
 * Elsewhere host name and a random part: two processes must never campaign as one.
 */
export function processIdentity(podName: string | undefined): string {
  return podName ?? `${hostname()}_${randomBytes(4).toString('hex')}`;
}
