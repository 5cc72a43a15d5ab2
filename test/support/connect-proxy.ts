/** An HTTP proxy as companies run them: CONNECT for https, whole URLs for http. It alone knows where the names lead. */
import { createServer, request as forward } from 'node:http';
import { connect } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';

export interface ConnectProxy {
  /** http://USER:PASSWORD@127.0.0.1:PORT */
  readonly url: string;
  /** What it was asked for, in order: `CONNECT host:443`, `POST http://host/path`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const LOGIN = 'ada:lovelace';

/** @param ports where each `host:port` leads on this machine; others are refused with 403 */
export async function startConnectProxy(ports: Readonly<Record<string, number>>): Promise<ConnectProxy> {
  const asked: string[] = [];
  const isLoggedIn = ({ headers }: IncomingMessage): boolean => headers['proxy-authorization'] === `Basic ${Buffer.from(LOGIN).toString('base64')}`;
  const server = createServer((incoming, response) => {
    asked.push(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
    pass(incoming, response, isLoggedIn(incoming) ? ports : undefined);
  });
  server.on('connect', (incoming, near: Socket) => {
    asked.push(`CONNECT ${incoming.url ?? ''}`);
    near.on('error', () => undefined);
    const port = ports[incoming.url ?? ''];
    if (!isLoggedIn(incoming) || port === undefined) {
      near.end(`HTTP/1.1 ${isLoggedIn(incoming) ? '403 Forbidden' : '407 Proxy Authentication Required'}\r\n\r\n`);
      return;
    }
    const far = connect(port, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n');
      near.pipe(far).pipe(near);
    });
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://${LOGIN}@127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function pass(incoming: IncomingMessage, response: ServerResponse, ports: Readonly<Record<string, number>> | undefined): void {
  const url = URL.parse(incoming.url ?? '');
  const port = url === null ? undefined : ports?.[`${url.hostname}:${url.port === '' ? '80' : url.port}`];
  if (url === null || port === undefined) {
    response.writeHead(ports === undefined ? 407 : 403).end();
    return;
  }
  const headers = { ...incoming.headers, 'proxy-authorization': undefined };
  const onward = forward({ host: '127.0.0.1', port, method: incoming.method, path: `${url.pathname}${url.search}`, headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  incoming.pipe(onward);
}
