/** The two connection pools to one API server. They live as long as the process. */
import { Agent, ProxyAgent, type Dispatcher } from 'undici';
import type { Credentials } from './credentials.ts';
import { ConfigurationError } from './errors.ts';
import type { Connection } from './kubeconfig.ts';

/** Calls and watches apart: a watch holds its connection for minutes and must not take it from the calls. */
export interface Pools {
  readonly calls: Dispatcher;
  readonly watches: Dispatcher;
}

/** Go's server drops idle connections after 90 s: we must be first, or a write meets a closing connection. */
const KEEP_ALIVE_MS = 60_000;
/** Load balancers forget silent connections after a minute or more. */
const TCP_KEEP_ALIVE_MS = 30_000;

export class PoolsOf {
  readonly #connection: Connection;
  readonly #callConnections: number;
  readonly #connectTimeoutMs: number;
  #current: { pools: Pools; cert: string | undefined } | undefined;

  /** @param callConnections cap of the pool for calls; watches have none. @param connectTimeoutMs TLS included */
  constructor(connection: Connection, callConnections: number, connectTimeoutMs: number) {
    this.#connection = connection;
    this.#callConnections = callConnections;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /**
   * The pools; new ones when a plugin has issued another client certificate, for TLS fixes it per connection. The old ones end by
   * themselves with the last answer that they wait for.
   * @throws ConfigurationError for a proxy that is not supported
   */
  for({ cert, key }: Credentials): Pools {
    if (this.#current !== undefined && this.#current.cert === cert) return this.#current.pools;
    const pools = { calls: this.#pool(this.#callConnections, cert, key), watches: this.#pool(null, cert, key) };
    const old = this.#current?.pools;
    void Promise.all([old?.calls.close(), old?.watches.close()]);
    this.#current = { pools, cert };
    return pools;
  }

  /** Closes all connections; what is under way fails. */
  async close(): Promise<void> {
    const pools = this.#current?.pools;
    this.#current = undefined;
    await Promise.all([pools?.calls.destroy(), pools?.watches.destroy()]);
  }

  #pool(connections: number | null, cert: string | undefined, key: string | undefined): Dispatcher {
    const { ca, tlsServerName, insecureSkipTlsVerify, proxyUrl } = this.#connection;
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
      rejectUnauthorized: insecureSkipTlsVerify !== true,
    };
    const common = {
      connections,
      // One request at a time on a connection: an answer never waits behind another. HTTP/2 was measured to be slower.
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    };
    const tcp = { timeout: this.#connectTimeoutMs, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS };
    if (proxyUrl === undefined) return new Agent({ ...common, connect: { ...tls, ...tcp } });
    if (!/^https?:\/\//.test(proxyUrl)) throw new ConfigurationError(`proxy-url ${proxyUrl} is not supported: give one that begins with http:// or https://`);
    return new ProxyAgent({ ...common, uri: proxyUrl, proxyTunnel: true, requestTls: { ...tls, ...tcp }, connect: tcp });
  }
}
