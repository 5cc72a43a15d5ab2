/** A proxy that remembers every call with its answer: what one session takes becomes the script of the bare loop. */
import { createServer, request as plainRequest, Agent as PlainAgent, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';

export type Target = 'kubernetes' | 'cml' | 'lds' | 'grading' | 'sink';

/** A call with its answer, as they went over the wire. */
export interface Call {
  readonly target: Target;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly status: number;
  readonly answer: string;
}

/** Of a connection, not of a call. */
const HOP_BY_HOP = ['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'accept-encoding'];

/** Serves `upstream` on a port of its own and adds each answered call to `calls`; watches are passed through and not remembered. */
export async function startRecorder(target: Target, upstream: { url: string; ca?: string }, calls: Call[]): Promise<{ url: string; close(): void }> {
  const to = new URL(upstream.url);
  const secure = to.protocol === 'https:';
  const agent = secure ? new TlsAgent({ keepAlive: true, ca: upstream.ca }) : new PlainAgent({ keepAlive: true });
  const send = secure ? tlsRequest : plainRequest;
  const server = createServer((incoming, outgoing) => {
    const forward = async (): Promise<void> => {
      const { method = 'GET', url: path = '/' } = incoming;
      const body = await buffer(incoming);
      const headers = Object.fromEntries(Object.entries(incoming.headers).flatMap(([name, value]) => (typeof value === 'string' && !HOP_BY_HOP.includes(name) ? [[name, value]] : [])));
      const out = send({ host: to.hostname, port: to.port, method, path, agent, headers: { ...headers, ...(body.length > 0 ? { 'content-length': String(body.length) } : {}) } });
      outgoing.once('close', () => out.destroy());
      out.end(body);
      const [answer] = (await once(out, 'response')) as [IncomingMessage];
      const passed = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !['connection', 'keep-alive', 'transfer-encoding'].includes(name)));
      outgoing.writeHead(answer.statusCode ?? 502, passed);
      if (/[?&]watch=/.test(path)) {
        outgoing.flushHeaders();
        await pipeline(answer, outgoing);
        return;
      }
      const text = await buffer(answer);
      calls.push({ target, method, path, headers, body: body.toString(), status: answer.statusCode ?? 502, answer: text.toString() });
      outgoing.end(text);
    };
    forward().catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}
