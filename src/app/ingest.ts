/** The ingest endpoint as a part of the program: it listens from the first moment and asks to come again until the caches are filled. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { mtlsAuth, secretAuth, tokenAuth } from '../events/ingest-auth.ts';
import { startIngestServer } from '../events/ingest-server.ts';
import { aborted } from '../runtime/runnable.ts';
import { WatchedFileError, WatchedFiles } from '../runtime/watched-files.ts';
import { tokenReviews } from './token-reviews.ts';
import type { Ingest } from '../events/ingest.ts';
import type { Authenticate } from '../events/ingest-auth.ts';
import type { IngestServer, TlsMaterial } from '../events/ingest-server.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Runnable, Term } from '../runtime/runnable.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { IngestVariables } from './ingest-config.ts';

export interface IngestOptions {
  readonly config: IngestVariables & { readonly INGEST_PORT: number; readonly LISTEN_HOST?: string | undefined };
  readonly ingest: Ingest;
  /** For reviews of tokens. */
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly isReady: () => boolean;
  /** See `IngestServerOptions`. */
  readonly isLeaving?: () => boolean;
  readonly listening: (port: number) => void;
  /** How often files are looked at, in milliseconds. @default 5_000 */
  readonly reloadEveryMs?: number;
}

const SECRET_MIN_LENGTH = 16;

/** @throws WatchedFileError if a secret or a certificate cannot be used; later changes of the files are taken in as they come */
export async function ingestRunnable(options: IngestOptions): Promise<Runnable> {
  const { config, ingest, clock, log, reloadEveryMs } = options;
  let server: IngestServer | undefined;
  const tls = await tlsOf(config, (material) => {
    server?.renewTls(material);
    options.metrics.certificateExpiry.set({ certificate: 'ingest' }, new X509Certificate(material.cert).validToDate.getTime() / 1000);
  });
  const secret = await secretOf(config);
  if (config.INGEST_AUTH !== 'none' && tls === undefined) log.warn({ auth: config.INGEST_AUTH }, 'what senders prove themselves with crosses the network in plain text: give INGEST_TLS_CERT and INGEST_TLS_KEY, or end TLS right before this program');
  return {
    name: 'ingest',
    async run(term: Term): Promise<void> {
      const { INGEST_PORT: port, LISTEN_HOST: host } = config;
      server = await startIngestServer({
        ingest, log, isReady: options.isReady, isLeaving: options.isLeaving, port, host, authenticate: authenticationOf(options, secret?.current), tls: tls?.current(),
        turnedAway: (result) => options.metrics.eventsIn.inc({ type: 'other', result }),
      });
      options.listening(server.port);
      const watch = { clock, log, ...(reloadEveryMs === undefined ? {} : { everyMs: reloadEveryMs }) };
      await Promise.all([aborted(term.closing), tls?.files.watch(term.closing, watch), secret?.files.watch(term.closing, watch)]);
      await server.close();
    },
  };
}

function authenticationOf({ config, client, clock, log }: IngestOptions, secrets: (() => readonly string[]) | undefined): Authenticate | undefined {
  const allowed = config.INGEST_ALLOWED_SUBJECTS;
  switch (config.INGEST_AUTH) {
    case 'none':
      return undefined;
    case 'secret':
      return secretAuth(secrets ?? (() => []));
    case 'mtls':
      return mtlsAuth(allowed);
    case 'token': {
      const reviews = tokenReviews(client, clock, config.INGEST_AUDIENCE ?? '');
      return tokenAuth({ subjectOf: async (token) => (await reviews.subjectOf(token))?.username }, allowed, log);
    }
  }
}

/** One secret a line: two are valid while senders change from one to the other. */
async function secretOf({ INGEST_SECRET }: IngestVariables): Promise<{ files: WatchedFiles<'INGEST_SECRET'>; current: () => readonly string[] } | undefined> {
  if (INGEST_SECRET === undefined) return undefined;
  let secrets: readonly string[] = [];
  const files = await WatchedFiles.open({ INGEST_SECRET }, (contents) => {
    const lines = contents.INGEST_SECRET.toString('utf8').split('\n').map((line) => line.trim()).filter(Boolean);
    if (lines.length === 0 || lines.some((line) => line.length < SECRET_MIN_LENGTH || /\s/.test(line))) {
      throw new WatchedFileError(`INGEST_SECRET: ${INGEST_SECRET} must hold one secret a line, each of ${SECRET_MIN_LENGTH} characters or more and without spaces`);
    }
    secrets = lines;
  });
  return { files, current: () => secrets };
}

type TlsName = 'INGEST_TLS_CERT' | 'INGEST_TLS_KEY' | 'INGEST_CLIENT_CA';

async function tlsOf({ INGEST_TLS_CERT, INGEST_TLS_KEY, INGEST_CLIENT_CA }: IngestVariables, renew: (material: TlsMaterial) => void): Promise<{ files: WatchedFiles<TlsName>; current: () => TlsMaterial | undefined } | undefined> {
  if (INGEST_TLS_CERT === undefined || INGEST_TLS_KEY === undefined) return undefined;
  let current: TlsMaterial | undefined;
  const paths = { INGEST_TLS_CERT, INGEST_TLS_KEY, ...(INGEST_CLIENT_CA === undefined ? {} : { INGEST_CLIENT_CA }) } as Record<TlsName, string>;
  const files = await WatchedFiles.open(paths, (contents) => {
    const material: TlsMaterial = { cert: contents.INGEST_TLS_CERT, key: contents.INGEST_TLS_KEY, ...(INGEST_CLIENT_CA === undefined ? {} : { ca: contents.INGEST_CLIENT_CA }) };
    checkTls(material);
    renew(material);
    current = material;
  });
  return { files, current: () => current };
}

/** While files are being replaced, key and certificate may not fit for a moment. */
function checkTls(material: TlsMaterial): void {
  try {
    // A file without a certificate would go unnoticed: no authority, or no name to show.
    for (const pem of [material.cert, material.ca]) if (pem !== undefined) new X509Certificate(pem);
    createSecureContext({ ...material });
  } catch (cause) {
    throw new WatchedFileError(`INGEST_TLS_CERT, INGEST_TLS_KEY, INGEST_CLIENT_CA: give PEM files, the key being that of the certificate (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
}
