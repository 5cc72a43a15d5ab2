/**
 * An HTTP server that misbehaves as told, for the failures that a real API server shows too rarely to test with. It is no fake of
 * Kubernetes: it keeps no objects and knows no rules, it only says what a test scripted. What a healthy API server does is tested
 * against a real one (test/integration).
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeClient, type KubeClientOptions } from '../../src/kube/client.ts';
import { fixedCredentials, type CredentialSource } from '../../src/kube/credentials.ts';
import type { ConfigMap } from './kube-objects.ts';

/** A ConfigMap as a server would return it. Its uid is its name unless given. */
export function configMap(name: string, resourceVersion: number | string, data: Record<string, string> = {}, uid = name): ConfigMap {
  const metadata = { name, namespace: 'default', uid, resourceVersion: String(resourceVersion), creationTimestamp: '2026-11-23T09:00:00Z' };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
}

export interface SeenRequest {
  kind: 'list' | 'watch' | 'other';
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: string;
}

/** Answers one request. */
export type Answer = (response: ServerResponse, request: SeenRequest) => void | Promise<void>;

/** Any JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return (response) => void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** A refusal with a Status, as the API server writes it. */
export function refusal(code: number, reason: string, headers: Record<string, string> = {}): Answer {
  return json({ kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code, message: `refused: ${reason}` }, code, headers);
}

export function list(resourceVersion: number, ...items: ConfigMap[]): Answer {
  return json({ kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: String(resourceVersion) }, items });
}

/** The connection breaks without an answer. */
export const noAnswer: Answer = (response) => void response.socket?.destroy();

export type Line = { type: string; object: unknown };
export const added = (object: ConfigMap): Line => ({ type: 'ADDED', object });
export const modified = (object: ConfigMap): Line => ({ type: 'MODIFIED', object });
export const deleted = (object: ConfigMap): Line => ({ type: 'DELETED', object });
export const bookmark = (resourceVersion: number, annotations?: Record<string, string>): Line => ({
  type: 'BOOKMARK',
  object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { resourceVersion: String(resourceVersion), annotations } },
});
export const errorEvent = (code: number, reason: string): Line => ({ type: 'ERROR', object: { kind: 'Status', code, reason, message: reason } });

/** How a scripted watch goes on after its lines. `silent`: stays open and says nothing, as a half-open connection does. */
export type WatchEnding = 'silent' | 'close' | 'reset' | { closeAfterMs: number };

export function watch(lines: readonly (Line | string | Uint8Array)[], ending: WatchEnding): Answer {
  return async (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const line of lines) {
      response.write(typeof line === 'string' || line instanceof Uint8Array ? line : `${JSON.stringify(line)}\n`);
      // Each line is a chunk of its own, as a server flushes it.
      await delay(1);
    }
    if (ending === 'silent') return;
    if (ending === 'reset') {
      response.socket?.resetAndDestroy();
      return;
    }
    if (ending !== 'close') await delay(ending.closeAfterMs);
    response.end();
  };
}

export class ScriptedApi {
  readonly requests: SeenRequest[] = [];
  /** TCP connections accepted so far. */
  connections = 0;
  readonly #answers: Record<SeenRequest['kind'], Answer[]> = { list: [], watch: [], other: [] };
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #clients: KubeClient[] = [];
  readonly #open = new Set<ServerResponse>();

  static async start(): Promise<ScriptedApi> {
    const api = new ScriptedApi();
    api.#server.on('connection', () => (api.connections += 1));
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
  }

  /** Answers for one kind of request, in their order; the last one is given again and again. */
  on(kind: SeenRequest['kind'], ...answers: Answer[]): this {
    this.#answers[kind] = answers;
    return this;
  }

  seen(kind: SeenRequest['kind']): SeenRequest[] {
    return this.requests.filter((request) => request.kind === kind);
  }

  /** Watches that are open now. */
  get openWatches(): number {
    return [...this.#open].filter((response) => response.req.url?.includes('watch=true') === true).length;
  }

  client(options: KubeClientOptions & { credentials?: CredentialSource } = {}): KubeClient {
    const { credentials = fixedCredentials({ headers: {} }), ...rest } = options;
    const client = new KubeClient({ server: this.url, credentials, namespace: 'default', origin: 'scripted' }, { retry: { backoff: { baseMs: 1, maxMs: 5 } }, ...rest });
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', this.url);
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const isObject = /\/configmaps\/[^/]+/.test(url.pathname);
    const kind = url.searchParams.has('watch') ? 'watch' : message.method === 'GET' && url.pathname.endsWith('/configmaps') && !isObject ? 'list' : 'other';
    const request: SeenRequest = { kind, method: message.method ?? '', path: url.pathname, query: url.searchParams, headers: message.headers, body: Buffer.concat(chunks).toString() };
    this.requests.push(request);
    this.#open.add(response);
    response.once('close', () => this.#open.delete(response));
    const answers = this.#answers[kind];
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === undefined) throw new Error(`the script has no answer for ${request.method} ${request.path}`);
    await answer(response, request);
  }
}
