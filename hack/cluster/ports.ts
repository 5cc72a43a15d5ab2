import { createServer } from 'node:net';

// Below the range from which Linux and macOS take the ports of outgoing connections: while an API server is restarted,
// no client's connection can come to sit on its port, so it finds the port free again.
const LOWEST = 20_000;
const HIGHEST = 32_000;

/**
 * A TCP port on 127.0.0.1 that nobody listens on right now. Another process may take it before the caller does, so the
 * caller must be ready to ask again when its bind fails.
 *
 * @throws Error when 50 random ports in 20000..31999 were all taken.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port found between ${LOWEST} and ${HIGHEST - 1} on 127.0.0.1`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}
