import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface Listening {
  /** Base URL without a trailing slash. */
  readonly url: string;
  /** Stops accepting and cuts the connections that are still open. */
  close(): Promise<void>;
}

/** Serves `handler` over http, or over https when a certificate is given. Port 0 takes any free port. */
export async function listen(
  handler: RequestListener,
  where: { host: string; port: number; tls?: { cert: string; key: string } },
): Promise<Listening> {
  const server = where.tls ? createHttpsServer(where.tls, handler) : createHttpServer(handler);
  server.listen(where.port, where.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${where.tls ? 'https' : 'http'}://${where.host}:${port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
