/** The ingest endpoint as a part of the program: it listens from the first moment and asks to come again until the caches are filled. */
import { startIngestServer } from '../events/ingest-server.ts';
import { aborted } from '../runtime/runnable.ts';
import type { IngestServerOptions } from '../events/ingest-server.ts';
import type { Runnable, Term } from '../runtime/runnable.ts';

export function ingestRunnable(options: IngestServerOptions & { listening: (port: number) => void }): Runnable {
  return {
    name: 'ingest',
    async run(term: Term): Promise<void> {
      const server = await startIngestServer(options);
      options.listening(server.port);
      await aborted(term.closing);
      await server.close();
    },
  };
}
