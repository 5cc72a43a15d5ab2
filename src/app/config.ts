/** The configuration: from the environment and, under it, a YAML file, checked once and frozen. */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { SOURCE } from '../api/events.ts';
import { parseS3Uri } from '../clients/s3.ts';
import { AddressGuard } from '../clients/topology/guard.ts';
import { readTimeouts } from '../core/timeouts.ts';
import { LOG_LEVELS } from '../telemetry/log.ts';
import { ingestProblems, typeAliases } from './ingest-config.ts';
import { traceVariables } from './trace-config.ts';

/** The configuration cannot be used. The message names each variable and says what it should be. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

const port = (fallback: number) => z.coerce.number().int().min(0).max(65535).default(fallback);
const list = z.string().transform((text) => text.split(',').map((item) => item.trim()).filter(Boolean)).default([]);
const httpUrl = z.string().regex(/^https?:\/\/[^\s]+$/, 'must be an http or https URL');
/** The scheme may be left out, as curl and Go have it. */
const proxyUrl = z.string().transform((text) => (text.includes('://') ? text : `http://${text}`)).refine((text) => /^https?:\/\/[^\s/]+\/?$/.test(text) && URL.canParse(text), 'must be the URL of an HTTP proxy, http://[USER:PASSWORD@]HOST:PORT').optional();
const secretName = z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "must be the name of a Secret in the controller's namespace");
const path = z.string().min(1);
const DAY_MS = 86_400_000;
/** Days as milliseconds. */
const days = (fallback: string) => z.string().regex(/^[0-9]{1,5}d$/, 'must be a number of days such as 365d; 0d is for ever').default(fallback).transform((text) => parseInt(text, 10) * DAY_MS);
const timeouts = z.string().default('').transform((text, context) => {
  try {
    return readTimeouts(text);
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : String(error));
    return z.NEVER;
  }
});
const hosts = list.superRefine((entries, context) => {
  try {
    new AddressGuard(entries);
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : String(error));
  }
});

/** Variables by name; the same names serve as keys of the YAML file. An empty value counts as unset. */
const schema = z.object({
  INGEST_PORT: port(8080),
  OPS_PORT: port(8081),
  WEB_PORT: port(8082),
  LISTEN_HOST: z.string().optional(),
  CLOUDEVENTS_SINK_URL: z.string().optional(),
  CLOUDEVENTS_MODE: z.enum(['binary', 'structured']).default('binary'),
  CLOUDEVENTS_SOURCE: z.string().regex(/^[A-Za-z0-9._~:/-]+$/, 'must be a URI reference of plain characters').default(SOURCE),
  CLOUDEVENTS_DEAD_LETTER_URL: z.string().optional(),
  EVENTGRID_KEY: z.string().optional(),
  K_SINK: httpUrl.optional(),
  K_CE_OVERRIDES: z.string().optional(),
  K_CA_CERTS: z.string().optional(),
  INGEST_ALLOWED_SOURCES: list,
  INGEST_TYPE_ALIASES: typeAliases,
  INGEST_AUTH: z.enum(['none', 'token', 'secret', 'mtls']).default('none'),
  INGEST_AUDIENCE: z.string().optional(),
  INGEST_ALLOWED_SUBJECTS: list,
  INGEST_SECRET: path.optional(),
  INGEST_TLS_CERT: path.optional(),
  INGEST_TLS_KEY: path.optional(),
  INGEST_CLIENT_CA: path.optional(),
  LDS_URL: httpUrl.optional(),
  LDS_CREDENTIALS_SECRET: secretName.optional(),
  GRADING_ENGINE_URL: httpUrl.optional(),
  GRADING_TOKEN_URL: httpUrl.optional(),
  GRADING_CREDENTIALS_SECRET: secretName.optional(),
  EVIDENCE_URL: z.string().refine((url) => url.startsWith('file://') || parseS3Uri(url) !== undefined, 'must be a file: URL or s3://BUCKET/PREFIX').optional(),
  ARCHIVE_URL: z.string().refine((url) => url.startsWith('file:///') || parseS3Uri(url) !== undefined, 'must be file:///DIRECTORY or s3://BUCKET/PREFIX').optional(),
  ARCHIVE_RETENTION: days('365d'),
  AWS_ENDPOINT_URL_S3: httpUrl.optional(),
  TOPOLOGY_ALLOW_HOSTS: hosts,
  MAX_WORKERS: z.coerce.number().int().min(0).max(100_000).default(100),
  SCALE_DOWN: z.enum(['enabled', 'disabled']).default('disabled'),
  LICENSE_SUPERSET: z.enum(['true', 'false']).default('false').transform((text) => text === 'true'),
  ORPHAN_INSTANCE_POLICY: z.enum(['Report', 'Terminate']).default('Report'),
  WATCH_NAMESPACES: list,
  WEB_PAGE: z.enum(['enabled', 'disabled']).default('disabled'),
  WEB_AUDIENCE: z.string().optional(),
  HTTP_PROXY: proxyUrl,
  HTTPS_PROXY: proxyUrl,
  NO_PROXY: list,
  DRAIN_DELAY: z.string().regex(/^[0-9]{1,3}s$/, 'must be a number of seconds such as 5s; 0s is at once').default('5s').transform((text) => parseInt(text, 10) * 1000),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  ...traceVariables,
  CLUSTER_ID: z.string().regex(/^[0-9a-f]{4}$/, 'must be 4 hexadecimal digits in lower case').optional(),
  POD_NAMESPACE: z.string().default('lablet-system'),
  POD_NAME: z.string().optional(),
  TIMEOUTS: timeouts,
  TIME_SCALE: z.coerce.number().min(1).max(100000).default(1),
  LABLET_DEV: z.string().optional(),
  KUBECONFIG: path.optional(),
});

export type Config = Readonly<z.output<typeof schema>>;
/** The names of all variables. */
export const VARIABLES: readonly string[] = Object.keys(schema.shape);

/**
 * Reads the configuration.
 * @param env the environment; it wins over the file
 * @param file path of a YAML file with the same names as keys (`--config`)
 * @throws ConfigError naming everything that is wrong at once
 */
export function readConfig(env: NodeJS.ProcessEnv, file?: string): Config {
  const given = { ...(file === undefined ? {} : readFile(file)), ...lowerCaseProxies(env), ...nonEmpty(env) };
  const result = schema.safeParse(given);
  if (!result.success) throw new ConfigError(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  const config = result.data;
  const needs = (name: keyof Config, partner: keyof Config): string | undefined => (config[name] !== undefined && config[partner] === undefined ? `${name} needs ${partner}` : undefined);
  const problems = [
    needs('LDS_URL', 'LDS_CREDENTIALS_SECRET'),
    needs('GRADING_ENGINE_URL', 'GRADING_TOKEN_URL'),
    needs('GRADING_ENGINE_URL', 'GRADING_CREDENTIALS_SECRET'),
    config.TIME_SCALE !== 1 && config.LABLET_DEV !== '1' ? 'TIME_SCALE is for tests and demos: it needs LABLET_DEV=1' : undefined,
    ...ingestProblems(config),
  ].filter((problem) => problem !== undefined);
  if (problems.length > 0) throw new ConfigError(problems.join('; '));
  return Object.freeze(config);
}

/** `https_proxy` and its kin are as usual as the names in upper case, which win. */
function lowerCaseProxies(env: NodeJS.ProcessEnv): Record<string, string> {
  return nonEmpty(Object.fromEntries(['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].map((name) => [name, env[name.toLowerCase()]])));
}

function nonEmpty(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value]])));
}

const fileSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String));
const FILE_MAX_BYTES = 256 * 1024;

/** The settings of a file. Neither message nor cause of an error quotes it: it may hold keys and passwords. */
function readFile(file: string): Record<string, string> {
  const wrong = (problem: string): ConfigError => new ConfigError(`--config ${file}: ${problem}`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  if (Buffer.byteLength(text) > FILE_MAX_BYTES) throw wrong(`it is larger than ${FILE_MAX_BYTES / 1024} KiB. Is it the right file?`);
  const result = fileSchema.safeParse(parseYaml(text, wrong) ?? {});
  if (!result.success) throw wrong(result.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; '));
  return nonEmpty(result.data);
}

function parseYaml(text: string, wrong: (problem: string) => ConfigError): unknown {
  try {
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent' });
    const [error] = document.errors;
    if (error) throw wrong(`it is no valid YAML (${error.code} in line ${text.slice(0, error.pos[0]).split('\n').length})`);
    // Settings have nothing to repeat, and a few aliases of aliases are gigabytes.
    return document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw wrong('write one level of NAME: value, without anchors and aliases');
  }
}
