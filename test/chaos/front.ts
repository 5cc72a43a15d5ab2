/** What a Service is to a Deployment: one address for the ingest endpoints of all replicas, each request to any that lives. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { Agent, request as forward } from 'undici';

/** Of the connection, not of the event. */
const HOP_BY_HOP = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding']);

export interface Front {
  readonly url: string;
  close(): Promise<void>;
}

/** @param backends URLs of those that live now; asked for each request. Where there is none, the caller is hung up on. */
export async function startFront(backends: () => readonly string[]): Promise<Front> {
  const agent = new Agent();
  let turn = 0;
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const alive = backends();
    const to = alive[turn++ % alive.length];
    if (to === undefined) throw new Error('no replica lives');
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !HOP_BY_HOP.has(name)));
    const answer = await forward(to, { dispatcher: agent, method: 'POST', headers, body: request });
    const body = Buffer.from(await answer.body.arrayBuffer());
    const retryAfter = answer.headers['retry-after'];
    if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
    response.writeHead(answer.statusCode).end(body);
  };
  const server = createServer((request, response) => void pass(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the front does not listen on a TCP port');
  return {
    url: `http://127.0.0.1:${address.port}/events`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      await agent.destroy();
    },
  };
}
