import type { OnCall, ProxyFor } from './call.ts';
import { CmlClient } from './cml/client.ts';
import type { ClientFactory, CmlTarget, CredentialsProvider, GradingTarget, LdsTarget } from './factory-port.ts';
import { GradingClient } from './grading/client.ts';
import type { HttpHostOptions } from './http.ts';
import { LdsClient } from './lds/client.ts';
import type { ReadCredentials } from './login.ts';
import type { Tracer } from '../telemetry/tracer.ts';

/** LDS and the GradingEngine serve every session; a CML host serves the few that are placed on it. */
const SHARED_CONCURRENCY = 32;
const UNUSED_AFTER_MS = 10 * 60_000;

export interface ClientFactoryOptions {
  readonly credentials: CredentialsProvider;
  readonly onCall?: OnCall;
  readonly tracer?: Tracer;
  /** @default no proxy */
  readonly proxyFor?: ProxyFor;
  /** Time after which a client that nobody asked for is dropped, in milliseconds. @default 10 min */
  readonly unusedAfterMs?: number;
  /** Time-outs and limits of every client made here. @default as HttpHost and HostGuard have them */
  readonly http?: Pick<HttpHostOptions, 'timeoutMs' | 'maxResponseBytes' | 'resilience'>;
}

interface Client {
  rest(): Promise<void>;
  close(): Promise<void>;
}

/** Makes clients, one for each target, and drops the unused. Whoever still holds a dropped one can go on with it. */
export function createClientFactory(options: ClientFactoryOptions): ClientFactory {
  const unusedAfterMs = options.unusedAfterMs ?? UNUSED_AFTER_MS;
  const clients = new Map<string, { readonly client: Client; lastUsed: number }>();

  const sweep = setInterval(() => {
    for (const [key, entry] of clients) {
      if (performance.now() - entry.lastUsed < unusedAfterMs) continue;
      clients.delete(key);
      void entry.client.rest();
    }
  }, unusedAfterMs / 2).unref();

  function kept<C extends Client>(key: string, kind: new (...none: never[]) => C, make: () => C): C {
    const found = clients.get(key);
    const client = found?.client instanceof kind ? found.client : make();
    clients.set(key, { client, lastUsed: performance.now() });
    return client;
  }

  const reads = (key: string): ReadCredentials => (how) => options.credentials(key, how);
  const common = { ...options.http, tracer: options.tracer, proxyFor: options.proxyFor, ...(options.onCall === undefined ? {} : { onCall: options.onCall }) };
  const shared = { ...common, resilience: { concurrency: SHARED_CONCURRENCY, ...options.http?.resilience } };

  return {
    cml: ({ endpoint, credentialsKey }: CmlTarget) =>
      kept(JSON.stringify(['cml', endpoint, credentialsKey]), CmlClient, () => new CmlClient({ ...common, endpoint, credentials: reads(credentialsKey) })),
    lds: ({ endpoint, credentialsKey, frontendUrl }: LdsTarget) =>
      kept(JSON.stringify(['lds', endpoint, credentialsKey, frontendUrl]), LdsClient, () => new LdsClient({ ...shared, endpoint, frontendUrl, credentials: reads(credentialsKey) })),
    grading: ({ endpoint, tokenUrl, credentialsKey }: GradingTarget) =>
      kept(
        JSON.stringify(['grading', endpoint, tokenUrl, credentialsKey]),
        GradingClient,
        () => new GradingClient({ ...shared, endpoint, tokenUrl, credentials: reads(credentialsKey) }),
      ),
    close: async () => {
      clearInterval(sweep);
      const all = [...clients.values()];
      clients.clear();
      await Promise.all(all.map(({ client }) => client.close()));
    },
  };
}
