/** Topologies from web servers: https://git.example.org/labs/campus-edge.cml.yaml. */
import { STATUS_CODES } from 'node:http';
import { Agent, ProxyAgent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { reasonOf } from '../abort.ts';
import type { OnCall, ProxyFor } from '../call.ts';
import { TooLargeError, readBounded } from '../bounded.ts';
import { kindOfStatus, readTransportError } from '../failures.ts';
import type { AddressGuard } from './guard.ts';
import { TopologySourceError, shownUri, tooLarge } from './port.ts';
import type { ReadOptions, TopologyRead, TopologySource } from './port.ts';

const MAX_REDIRECTS = 3;
/** A host that does not even take connections is not waited for as long as a slow one. */
const CONNECT_TIMEOUT_MS = 5_000;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface HttpTopologyOptions {
  readonly guard: AddressGuard;
  /** More bytes end the read. */
  readonly maxBytes: number;
  /** For one read with its redirects, in milliseconds, from connecting to the last byte. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** Trusts this CA (PEM) and no other. @default the public ones and those of NODE_EXTRA_CA_CERTS */
  readonly ca?: string | undefined;
  readonly onCall?: OnCall | undefined;
  /** @default no proxy */
  readonly proxyFor?: ProxyFor | undefined;
}

export class HttpTopologySource implements TopologySource {
  readonly #agent: Agent;
  readonly #maxBytes: number;
  readonly #timeoutMs: number;
  readonly #onCall: OnCall | undefined;
  readonly #guard: AddressGuard;
  readonly #proxyFor: ProxyFor | undefined;
  readonly #tls: { readonly ca?: string };
  /** By the URL of the proxy: one for http, one for https at most. */
  readonly #proxies = new Map<string, ProxyAgent>();

  constructor({ guard, maxBytes, timeoutMs = 30_000, ca, onCall, proxyFor }: HttpTopologyOptions) {
    this.#onCall = onCall;
    this.#guard = guard;
    this.#proxyFor = proxyFor;
    this.#tls = ca === undefined ? {} : { ca };
    this.#maxBytes = maxBytes;
    this.#timeoutMs = timeoutMs;
    this.#agent = new Agent({ connect: guard.connector({ timeoutMs: CONNECT_TIMEOUT_MS, ca }), headersTimeout: 0, bodyTimeout: 0 });
  }

  async read(uri: string, { signal, etag }: ReadOptions): Promise<TopologyRead> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]);
    let url = checked(uri, 'spec.topology.uri');
    const started = performance.now();
    let outcome: number | string = 'aborted';
    try {
      for (let hops = 0; ; hops += 1) {
        const response = await this.#get(url, etag, within);
        outcome = response.statusCode;
        const next = redirectOf(response, url);
        if (next === undefined) return await this.#contentOf(response, url, etag);
        await response.body.dump({ limit: 0 });
        if (hops === MAX_REDIRECTS) throw new TopologySourceError('SourceInvalid', `${shownUri(uri)} redirects more than ${MAX_REDIRECTS} times. Give the address of the file itself.`);
        url = next;
      }
    } catch (error) {
      const failure = this.#explain(error, url, signal, within);
      if (failure instanceof TopologySourceError && outcome === 'aborted') outcome = failure.reason;
      throw failure;
    } finally {
      this.#onCall?.({ system: 'topology', host: url.host, call: 'GET', status: outcome, seconds: (performance.now() - started) / 1000 });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent, ...this.#proxies.values()].map((agent) => agent.close()));
  }

  /** Each request has a connection of its own, so each is judged by what its name means now. */
  async #get(url: URL, etag: string | undefined, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    // The hash is of the file's bytes: they must not come compressed.
    const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'lablet-controller', ...(etag === undefined ? {} : { 'if-none-match': etag }) };
    return request(url, { dispatcher: await this.#way(url), signal, headers, reset: true });
  }

  async #way(url: URL): Promise<Dispatcher> {
    const proxy = this.#proxyFor?.(url);
    if (proxy === undefined) return this.#agent;
    await this.#guard.admit(url.hostname);
    const agent = this.#proxies.get(proxy) ?? new ProxyAgent({ uri: proxy, requestTls: this.#tls, headersTimeout: 0, bodyTimeout: 0, connectTimeout: CONNECT_TIMEOUT_MS });
    this.#proxies.set(proxy, agent);
    return agent;
  }

  async #contentOf(response: Dispatcher.ResponseData, url: URL, asked: string | undefined): Promise<TopologyRead> {
    const { statusCode, headers, body } = response;
    if (statusCode !== 200) await body.dump({ limit: 0 });
    if (statusCode === 304 && asked !== undefined) return { notModified: true };
    if (statusCode !== 200) throw refused(url, statusCode);
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      await body.dump({ limit: 0 });
      throw new TopologySourceError('SourceInvalid', `${shownUri(url.href)} answers with compressed bytes (${String(encoding).slice(0, 40)}), which were not asked for. Have the server send the file as it is.`);
    }
    const bytes = await readBounded(body, this.#maxBytes, Number(headers['content-length'] ?? 0));
    const etag = headers.etag;
    return { bytes, ...(typeof etag === 'string' && etag.length <= 1024 ? { etag } : {}) };
  }

  #explain(error: unknown, url: URL, signal: AbortSignal, within: AbortSignal): Error {
    if (signal.aborted) return reasonOf(signal);
    if (error instanceof TopologySourceError) return error;
    if (error instanceof TooLargeError) return tooLarge(url.href, this.#maxBytes, error);
    const problem = within.aborted ? `no complete answer within ${this.#timeoutMs / 1000} s` : describe(error);
    return new TopologySourceError('SourceUnavailable', `${shownUri(url.href)}: ${problem}. It is tried again.`, { cause: error });
  }
}

/** Clients of hosts take a CA from their Secret; a source of topologies has none. */
function describe(error: unknown): string {
  const { description } = readTransportError(error);
  return description.replace(/: put the CA .*/, ': have the CA (PEM) added to the file that NODE_EXTRA_CA_CERTS of the controller names');
}

function refused(url: URL, status: number): TopologySourceError {
  const answer = `${shownUri(url.href)}: ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd();
  switch (kindOfStatus(status)) {
    case 'notFound':
      return new TopologySourceError('SourceNotFound', `${answer}. Put the file there, or correct spec.topology.uri.`);
    case 'unauthorized':
      return new TopologySourceError('SourceForbidden', `${answer}. The controller reads without credentials: let everybody read the file, use s3://, or put the topology into a ConfigMap.`);
    case 'unavailable':
      return new TopologySourceError('SourceUnavailable', `${answer}. It is tried again.`);
    default:
      return new TopologySourceError('SourceInvalid', `${answer}. The URI must answer a GET with 200 and the file.`);
  }
}

/** Where a redirect leads; undefined: it is none. The address that it leads to is judged like any other. */
function redirectOf(response: Dispatcher.ResponseData, from: URL): URL | undefined {
  if (!REDIRECTS.has(response.statusCode)) return undefined;
  const { location } = response.headers;
  const target = typeof location === 'string' ? URL.parse(location, from.href) : null;
  if (target === null) throw new TopologySourceError('SourceInvalid', `${shownUri(from.href)} redirects to nowhere. Give the address of the file itself.`);
  if (from.protocol === 'https:' && target.protocol !== 'https:') {
    throw new TopologySourceError('SourceInvalid', `${shownUri(from.href)} redirects from https to ${shownUri(target.href)}, which anybody on the way could change. Give an https address of the file.`);
  }
  return checked(target.href, `the redirect of ${shownUri(from.href)}`);
}

/** @throws TopologySourceError if it is no URL that can be read without secrets */
function checked(uri: string, what: string): URL {
  const url = URL.parse(uri);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new TopologySourceError('SourceInvalid', `${what} is no http or https URL. Write it like https://git.example.org/labs/campus-edge.cml.yaml.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new TopologySourceError('SourceInvalid', `${what} has a user name or password in it, where everybody who may read the definition sees it. Remove it; use s3:// or a ConfigMap for files that not everybody may read.`);
  }
  return url;
}
