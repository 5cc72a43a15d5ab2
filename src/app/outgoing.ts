/** Everything by which the program leaves the cluster, made in one place, so that all of it goes the same way out. */
import { createClientFactory } from '../clients/factory.ts';
import { createProviders } from '../clients/ec2/providers.ts';
import { fileEvidence } from '../clients/evidence/file.ts';
import { s3Evidence } from '../clients/evidence/s3.ts';
import { S3 } from '../clients/s3.ts';
import { createTopologySources } from '../clients/topology/sources.ts';
import { MAX_TOPOLOGY_BYTES } from '../core/topology/parse.ts';
import { createDeadLetter, createSinks } from '../events/sinks.ts';
import { openArchive } from './archive.ts';
import { readProxies } from './proxies.ts';
import type { OnCall } from '../clients/call.ts';
import type { EvidenceStore } from '../clients/evidence/port.ts';
import type { ClientFactory, CredentialsProvider } from '../clients/factory-port.ts';
import type { Providers } from '../clients/provider/port.ts';
import type { TopologySource } from '../clients/topology/port.ts';
import type { ArchiveStore } from '../events/archive/store.ts';
import type { Sink } from '../events/sink.ts';
import type { Tracer } from '../telemetry/tracer.ts';
import type { Config } from './config.ts';

export interface Outgoing {
  /** CML, LDS and GradingEngine. */
  readonly clients: ClientFactory;
  readonly providers: Providers;
  readonly topologies: TopologySource;
  /** Undefined: EVIDENCE_URL is not set. */
  readonly evidence: EvidenceStore | undefined;
  /** Undefined: ARCHIVE_URL is not set. */
  readonly archive: ArchiveStore | undefined;
  readonly sinks: readonly Sink[];
  readonly deadLetter: Sink | undefined;
  close(): Promise<void>;
}

export interface OutgoingOptions {
  readonly credentials: CredentialsProvider;
  readonly onCall?: OnCall;
  readonly tracer?: Tracer;
}

/** @throws SinkConfigurationError, ConfigError for what the configuration names and cannot be */
export function createOutgoing(config: Config, { credentials, ...told }: OutgoingOptions): Outgoing {
  const { onCall } = told;
  const { proxyFor, proxyEnv } = readProxies(config);
  const clients = createClientFactory({ credentials, ...told, proxyFor });
  const providers = createProviders({ onCall, proxyEnv });
  const s3 = { endpoint: config.AWS_ENDPOINT_URL_S3, onCall, proxyEnv };
  // A topology is read again by itself; a step that keeps evidence has one try, so what it calls has several.
  const [topologyObjects, evidenceObjects] = [new S3(s3), new S3({ ...s3, attempts: 8 })];
  const topologies = createTopologySources({ s3: topologyObjects, onCall, proxyFor, allowHosts: config.TOPOLOGY_ALLOW_HOSTS, maxBytes: MAX_TOPOLOGY_BYTES, keepOut: [config.EVIDENCE_URL ?? '', config.ARCHIVE_URL ?? ''] });
  const forSinks = { mode: config.CLOUDEVENTS_MODE, eventGridKey: config.EVENTGRID_KEY, proxyFor, proxyEnv };
  const sinks = createSinks({ ...forSinks, urls: config.CLOUDEVENTS_SINK_URL, binding: { sink: config.K_SINK, ceOverrides: config.K_CE_OVERRIDES, caCerts: config.K_CA_CERTS } });
  const deadLetter = createDeadLetter(config.CLOUDEVENTS_DEAD_LETTER_URL, forSinks);
  return {
    clients, providers, topologies, sinks, deadLetter,
    evidence: evidenceStore(config.EVIDENCE_URL, evidenceObjects),
    archive: config.ARCHIVE_URL === undefined ? undefined : openArchive(config.ARCHIVE_URL, topologyObjects),
    close: async () => {
      await Promise.all([clients.close(), providers.close(), topologies.close(), topologyObjects.close(), evidenceObjects.close(), ...sinks.map((sink) => sink.close()), deadLetter?.close()]);
    },
  };
}

function evidenceStore(url: string | undefined, s3: S3): EvidenceStore | undefined {
  if (url === undefined) return undefined;
  return url.startsWith('s3:') ? s3Evidence(s3, url) : fileEvidence(url);
}
