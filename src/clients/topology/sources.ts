import type { OnCall, ProxyFor } from '../call.ts';
import type { S3 } from '../s3.ts';
import { AddressGuard } from './guard.ts';
import { HttpTopologySource } from './http-source.ts';
import type { TopologySource } from './port.ts';
import { S3TopologySource } from './s3-source.ts';

export interface TopologySourcesOptions {
  readonly s3: S3;
  /** TOPOLOGY_ALLOW_HOSTS: internal hosts and networks that http and https may reach. */
  readonly allowHosts: readonly string[];
  /** More bytes than this are no topology. */
  readonly maxBytes: number;
  /** EVIDENCE_URL and ARCHIVE_URL, where they are in S3. */
  readonly keepOut?: readonly string[] | undefined;
  readonly onCall?: OnCall | undefined;
  readonly proxyFor?: ProxyFor | undefined;
}

/** Every kind of URI that a definition may name, behind one source. */
export function createTopologySources({ s3, allowHosts, maxBytes, keepOut, onCall, proxyFor }: TopologySourcesOptions): TopologySource & { close(): Promise<void> } {
  const http = new HttpTopologySource({ guard: new AddressGuard(allowHosts), maxBytes, onCall, proxyFor });
  const objects = new S3TopologySource({ s3, maxBytes, keepOut });
  return {
    read: (uri, options) => (uri.startsWith('s3:') ? objects : http).read(uri, options),
    close: () => http.close(),
  };
}
