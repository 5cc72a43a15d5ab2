import { createServer, type Server } from 'node:net';
import type { PortClaim } from './ports.ts';

/** Listens on the TCP ports that running nodes are tagged with, and greets as the node's console would. */
export class PortService {
  readonly #host: string;
  readonly #log: (message: string, fields?: Record<string, unknown>) => void;
  readonly #open = new Map<string, Server>();

  constructor(host: string, log: (message: string, fields?: Record<string, unknown>) => void) {
    this.#host = host;
    this.#log = log;
  }

  /** Opens the ports of `claims` that are closed, and closes those that nobody claims any more. */
  follow(claims: readonly PortClaim[]): void {
    const wanted = new Map(claims.filter(({ transport }) => transport === 'tcp').map((claim) => [`${claim.lab}/${claim.node}/${claim.port}`, claim]));
    for (const [key, server] of this.#open) {
      if (wanted.has(key)) continue;
      server.close();
      this.#open.delete(key);
    }
    for (const [key, claim] of wanted) if (!this.#open.has(key)) this.#open.set(key, this.#serve(claim));
  }

  close(): void {
    this.follow([]);
  }

  #serve(claim: PortClaim): Server {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      server.once('close', () => socket.destroy());
      socket.end(`\r\n${claim.node} console is now available (${claim.tag})\r\n\r\n${claim.node}>`);
    });
    server.on('error', (error) => this.#log('port of a tag cannot be served', { port: claim.port, node: claim.node, error: error.message }));
    server.listen(claim.port, this.#host);
    return server;
  }
}
