/** An HTTP server as a part of the program: it listens for as long as its term lasts. */
import { createServer } from 'node:http';
import { aborted } from '../runtime/runnable.ts';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';
import type { Runnable, Term } from '../runtime/runnable.ts';

export interface HttpServerOptions {
  /** For the log. */
  name: string;
  app: Express;
  /** 0 asks for any. */
  port: number;
  /** Address to listen on; absent: all. */
  host: string | undefined;
  /** Told once the port is known. */
  listening?: (port: number) => void;
}

/** Answers what was begun when the term closes, and breaks it off when the term ends. `run` rejects if the port cannot be had. */
export function httpServer(options: HttpServerOptions): Runnable {
  return {
    name: options.name,
    async run(term: Term): Promise<void> {
      const server = createServer(options.app as Parameters<typeof createServer>[1]);
      await listen(server, options);
      await aborted(term.closing);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      term.ended.addEventListener('abort', () => server.closeAllConnections(), { once: true });
      await closed;
    },
  };
}

function listen(server: Server, { port, host, listening }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      listening?.((server.address() as AddressInfo).port);
      resolve();
    });
  });
}
