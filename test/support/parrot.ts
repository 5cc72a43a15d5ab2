/**
 * A server that repeats what it was sent, as careless services do in their errors: headers, credentials decoded, body,
 * query. It stands before a real one and passes on what it does not refuse.
 */
import { buffer } from 'node:stream/consumers';
import { listen } from '../../hack/sim/common/listen.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface ParrotOptions {
  /**
   * The status with which a call is refused; undefined: it is passed on.
   * @param call method and path, ids left out: `PUT /labs/:id/start`
   * @param nth of these calls, from 1
   */
  readonly refuse: (call: string, nth: number) => number | undefined;
}

export interface Parrot {
  readonly url: string;
  /** All that was repeated so far: a test that plants a secret must find it here, or it was never tried. */
  readonly repeated: readonly string[];
  /** Where calls that are not refused go from now on. */
  forwardTo(url: string): void;
  close(): Promise<void>;
}

export async function startParrot({ refuse }: ParrotOptions): Promise<Parrot> {
  const repeated: string[] = [];
  const counts = new Map<string, number>();
  let upstream: string | undefined;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url = '/' } = request;
    const body = await buffer(request);
    const call = `${method} ${url.replace(/\?.*/, '').replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ':id')}`;
    const nth = (counts.get(call) ?? 0) + 1;
    counts.set(call, nth);
    const status = refuse(call, nth);
    if (status !== undefined || upstream === undefined) {
      const words = wordsOf(request, body);
      repeated.push(words);
      response.writeHead(status ?? 503, { 'content-type': 'application/json' }).end(JSON.stringify({ description: words, message: words, error: words, url: words }));
      return;
    }
    await pass(`${upstream}${url}`, request, body, response);
  };
  const server = await listen((request, response) => void answer(request, response).catch(() => response.destroy()), { host: '127.0.0.1', port: 0 });
  return {
    url: server.url, repeated,
    forwardTo: (url) => { upstream = url; },
    close: () => server.close(),
  };
}

/** What is most telling comes first: error texts are cut. */
function wordsOf({ headers, url = '' }: IncomingMessage, body: Buffer): string {
  const basic = /^Basic (.*)$/.exec(headers.authorization ?? '')?.[1];
  const decoded = basic === undefined ? '' : Buffer.from(basic, 'base64').toString();
  return `no ${headers.authorization ?? ''} ${decoded} ${body.toString()} at ${url} ${JSON.stringify(headers)}`;
}

const OF_THE_CONNECTION = new Set(['host', 'connection', 'content-length', 'transfer-encoding']);

async function pass(url: string, request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
  const { method = 'GET' } = request;
  const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] => (typeof value !== 'string' || OF_THE_CONNECTION.has(name) ? [] : [[name, value]]));
  const answered = await fetch(url, { method, headers, redirect: 'manual', ...(body.length > 0 ? { body: new Uint8Array(body) } : {}) });
  const type = answered.headers.get('content-type');
  response.writeHead(answered.status, type === null ? {} : { 'content-type': type });
  response.end(Buffer.from(await answered.arrayBuffer()));
}
