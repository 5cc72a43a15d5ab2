import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { listen } from '../../hack/sim/common/listen.ts';

export interface Received {
  readonly method: string;
  /** Path and query as they came over the wire. */
  readonly url: string;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Milliseconds on the monotonic clock. */
  readonly at: number;
}

/** Answers one request in any way that HTTP allows, and in some that it does not. */
export type Answer = (response: ServerResponse, request: Received) => void;

export interface ScriptedServer {
  readonly url: string;
  /** Everything that arrived, in order. */
  readonly received: readonly Received[];
  /** The largest number of requests that were open at one time. */
  readonly peak: () => number;
  close(): Promise<void>;
}

/** A real HTTP server whose n-th request gets the n-th answer; the last answer serves all later requests. */
export async function startScriptedServer(answers: readonly [Answer, ...Answer[]], tls?: { cert: string; key: string }): Promise<ScriptedServer> {
  const received: Received[] = [];
  let open = 0;
  let peak = 0;
  const listening = await listen(
    (request, response) => {
      open += 1;
      peak = Math.max(peak, open);
      response.once('close', () => {
        open -= 1;
      });
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const seen: Received = {
          method: request.method ?? '',
          url: request.url ?? '',
          authorization: request.headers.authorization,
          contentType: request.headers['content-type'],
          ifNoneMatch: request.headers['if-none-match'],
          headers: request.headers,
          body: Buffer.concat(chunks).toString('utf8'),
          at: performance.now(),
        };
        received.push(seen);
        (answers[received.length - 1] ?? answers.at(-1))?.(response, seen);
      });
    },
    { host: '127.0.0.1', port: 0, ...(tls === undefined ? {} : { tls }) },
  );
  return { url: listening.url, received, peak: () => peak, close: () => listening.close() };
}

/** Answers with JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
}

/** Answers with a status and no body. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(code, headers).end();
  };
}

/** Takes the request and never answers. */
export const silence: Answer = () => undefined;

/** Announces more bytes than it sends and hangs up. */
export const truncated: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
  response.write('{"id":"half');
  // Only when the bytes are out: else the client would see no answer at all.
  setTimeout(() => response.destroy(), 20);
};
