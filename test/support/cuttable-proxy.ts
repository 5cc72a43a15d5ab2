/** A TCP proxy that a test can cut, for one program's way to its server. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** The two ends of one connection through the proxy. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket;
}

export class CuttableProxy {
  private readonly server: Server;
  private readonly target: URL;
  private readonly pairs = new Set<Pair>();
  /** Connections that nobody answers, while frozen. */
  private readonly silent = new Set<Socket>();
  private state: 'open' | 'cut' | 'frozen' = 'open';

  private constructor(target: URL) {
    this.target = target;
    this.server = createServer((near) => this.accept(near));
  }

  /** Listens on a free port of 127.0.0.1 and passes everything on to `target`. */
  static async start(target: URL): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(target);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  /** The target's URL with the proxy's address in it. */
  get url(): URL {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    const url = new URL(this.target);
    url.host = `127.0.0.1:${address.port}`;
    return url;
  }

  /** Breaks all connections, and every new one at once: the server is away. */
  cut(): void {
    this.state = 'cut';
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
  }

  /** Stops all bytes and breaks nothing: connections are half-open, and new ones are never answered. */
  freeze(): void {
    this.state = 'frozen';
    for (const { near, far } of this.pairs) {
      near.unpipe(far).pause();
      far.unpipe(near).pause();
    }
  }

  /** Lets everything through again; what was held back arrives late, as retransmitted bytes do. */
  restore(): void {
    this.state = 'open';
    for (const { near, far } of this.pairs) {
      near.pipe(far);
      far.pipe(near);
    }
    for (const near of this.silent) near.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    for (const near of this.silent) near.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(near: Socket): void {
    near.on('error', () => undefined);
    if (this.state === 'cut') {
      near.destroy();
      return;
    }
    if (this.state === 'frozen') {
      this.silent.add(near);
      near.on('close', () => this.silent.delete(near));
      return;
    }
    const far = connect(Number(this.target.port), this.target.hostname);
    const pair: Pair = { near, far };
    this.pairs.add(pair);
    far.on('error', () => undefined);
    near.on('close', () => far.destroy());
    far.on('close', () => {
      near.destroy();
      this.pairs.delete(pair);
    });
    near.pipe(far);
    far.pipe(near);
  }
}
