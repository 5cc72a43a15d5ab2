/** What a Knative SinkBinding gives a container: where to send, what to set on events, whom to trust, and a token. */
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SinkConfigurationError } from './sink.ts';
import type { HttpSinkOptions } from './sink-http.ts';

export interface SinkBinding {
  /** K_SINK; unset or empty: not bound. */
  readonly sink?: string | undefined;
  /** K_CE_OVERRIDES: `{"extensions":{"name":"value"}}`, or empty. */
  readonly ceOverrides?: string | undefined;
  /** K_CA_CERTS: PEM of the authorities of the sink. */
  readonly caCerts?: string | undefined;
  /** Projected token; rotated, and absent where the sink asks for none. @default /oidc/token */
  readonly tokenFile?: string | undefined;
  /** Folder with trust bundles of the cluster, if it is there. @default /knative-custom-certs */
  readonly trustFolder?: string | undefined;
}

/** All that overrides add to an event, so that it stays far below the 64 KiB that every receiver takes. */
const OVERRIDES_MAX_BYTES = 8 * 1024;
const CONTEXT = ['id', 'source', 'type', 'specversion', 'subject', 'time', 'datacontenttype', 'dataschema', 'data'];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const overridesSchema = z.object({
  extensions: z.record(
    z.string().regex(/^[a-z0-9]{1,20}$/).refine((name) => !CONTEXT.includes(name), 'an attribute of the event itself'),
    z.string().regex(/^[\x20-\x7e]+$/, 'plain ASCII'),
  ).nullish(),
});

/**
 * What the sink of a binding needs beside its URL. Bundles and certificates are read once: Knative restarts a container
 * when it changes its environment.
 * @throws SinkConfigurationError
 */
export function bindingOptions({ ceOverrides = '', caCerts = '', tokenFile = '/oidc/token', trustFolder = '/knative-custom-certs' }: SinkBinding): Pick<HttpSinkOptions, 'extensions' | 'ca' | 'tokenFile'> {
  return { extensions: overrides(ceOverrides), ca: [...certificates('K_CA_CERTS', caCerts), ...bundles(trustFolder)], tokenFile };
}

function overrides(text: string): ReadonlyMap<string, string> {
  if (text === '') return new Map();
  const parsed = overridesSchema.safeParse(json(text));
  if (!parsed.success || Buffer.byteLength(text) > OVERRIDES_MAX_BYTES) {
    throw new SinkConfigurationError('K_CE_OVERRIDES: give {"extensions":{"name":"value"}}, names of a-z and 0-9 that are no attributes of the event itself, values in plain ASCII, 8 KiB at most');
  }
  return new Map(Object.entries(parsed.data.extensions ?? {}));
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function certificates(where: string, pem: string): string[] {
  const found = pem.match(CERTIFICATE) ?? [];
  const isCutOff = pem.replace(CERTIFICATE, '').includes('-----BEGIN CERTIFICATE');
  if (pem.trim() !== '' && (found.length === 0 || isCutOff || !found.every(isCertificate))) {
    throw new SinkConfigurationError(`${where}: give certificates in PEM, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----`);
  }
  return found;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

/** Files of the folder; a mounted ConfigMap also holds hidden folders, which are not looked into. */
function bundles(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
  return names.sort().flatMap((name) => certificates(join(folder, name), readFileSync(join(folder, name), 'utf8')));
}
