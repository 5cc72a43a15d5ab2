/**
 * S3 and what speaks like it (`AWS_ENDPOINT_URL_S3`): objects read, written and removed whole, and listed. Credentials come from where AWS's
 * own tools take them: environment, shared files, web identity, container or instance.
 */
import { createHash } from 'node:crypto';
import type { S3 as AwsS3, S3ClientConfig } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { reasonOf } from './abort.ts';
import { awsCall, isWithoutCredentials, NO_CREDENTIALS, readSdkError } from './aws.ts';
import { TooLargeError, readBounded } from './bounded.ts';
import type { CallOptions, OnCall } from './call.ts';
import { ExternalError } from './errors.ts';
import type { ExternalErrorDetails } from './errors.ts';
import { kindOfStatus, readTransportError } from './failures.ts';

export interface S3Options {
  /** Another server than AWS: "http://minio.example.org:9000"; buckets are then addressed in the path. */
  readonly endpoint?: string | undefined;
  /** @default AWS_REGION or the shared AWS configuration; with an `endpoint` that has neither, us-east-1 */
  readonly region?: string | undefined;
  readonly onCall?: OnCall | undefined;
  /** For one call with its retries, in milliseconds. @default 30000 */
  readonly timeoutMs?: number | undefined;
  /** Tries of one call, with AWS's own backoff between them: some 6 s in all for 8 tries. @default 3 */
  readonly attempts?: number | undefined;
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY. @default no proxy */
  readonly proxyEnv?: Readonly<Record<string, string>> | undefined;
}

/** A place in S3; a key is taken literally, nothing in it is percent-encoded. */
export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

export interface S3GetOptions extends CallOptions {
  readonly maxBytes: number;
  /** Of an earlier read; an unchanged object is not sent again. */
  readonly etag?: string | undefined;
}

const S3_URI = /^s3:\/\/(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(?<key>.*))?$/s;

/** The parts of `s3://BUCKET/KEY`; the key may be ''. Undefined if it is no such URI. */
export function parseS3Uri(uri: string): S3Location | undefined {
  const { bucket, key = '' } = S3_URI.exec(uri)?.groups ?? {};
  return bucket === undefined ? undefined : { bucket, key };
}

/** One client for all buckets. Every failure is an ExternalError, except an abort, which throws the signal's reason. */
export class S3 {
  /** Who is spoken to, in messages: the host of the endpoint, or "AWS". */
  readonly host: string;
  readonly #options: S3Options;
  #client: Promise<AwsS3> | undefined;

  constructor(options: S3Options = {}) {
    this.#options = options;
    this.host = options.endpoint === undefined ? 'AWS' : new URL(options.endpoint).host;
  }

  /**
   * Reads an object.
   * @throws TooLargeError if it has more than `maxBytes`
   */
  async get(at: S3Location, { signal, maxBytes, etag }: S3GetOptions): Promise<{ bytes: Uint8Array; etag?: string } | { notModified: true }> {
    const input = { Bucket: at.bucket, Key: at.key, ...(etag === undefined ? {} : { IfNoneMatch: etag }) };
    try {
      return await this.#call('GetObject', at, signal, async (client, abortSignal) => {
        const answer = await client.getObject(input, { abortSignal });
        const bytes = await readBounded(byteStream.parse(answer.Body), maxBytes, answer.ContentLength);
        return { bytes, ...(answer.ETag === undefined ? {} : { etag: answer.ETag }) };
      });
    } catch (error) {
      if (error instanceof ExternalError && error.status === 304) return { notModified: true };
      throw error;
    }
  }

  /** Writes an object, or replaces it. The server checks the SHA-256 before it keeps anything. */
  async put(at: S3Location, content: Uint8Array, { signal }: CallOptions): Promise<void> {
    const ChecksumSHA256 = createHash('sha256').update(content).digest('base64');
    await this.#call('PutObject', at, signal, (client, abortSignal) =>
      client.putObject({ Bucket: at.bucket, Key: at.key, Body: content, ContentLength: content.byteLength, ChecksumSHA256 }, { abortSignal }),
    );
  }

  /** Keys that begin with `at.key`, in the order of their bytes, a page at a time. */
  async *list(at: S3Location, { signal, startAfter }: CallOptions & { readonly startAfter?: string | undefined }): AsyncGenerator<string> {
    let token: string | undefined;
    do {
      const input = { Bucket: at.bucket, Prefix: at.key, ...(token !== undefined ? { ContinuationToken: token } : startAfter !== undefined ? { StartAfter: startAfter } : {}) };
      const page = await this.#call('ListObjectsV2', at, signal, (client, abortSignal) => client.listObjectsV2(input, { abortSignal }));
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key;
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** Removes an object; one that is not there is removed already. */
  async delete(at: S3Location, { signal }: CallOptions): Promise<void> {
    await this.#call('DeleteObject', at, signal, (client, abortSignal) => client.deleteObject({ Bucket: at.bucket, Key: at.key }, { abortSignal }));
  }

  async close(): Promise<void> {
    (await this.#client?.catch(() => undefined))?.destroy();
  }

  async #call<T>(call: string, { bucket, key }: S3Location, signal: AbortSignal, work: (client: AwsS3, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs = 30_000, onCall } = this.#options;
    const where = { system: 's3', host: this.host, call } as const;
    const uri = short(`s3://${bucket}/${key}`);
    return awsCall({ ...where, timeoutMs, onCall }, signal, async (within) => work(await this.#open(), within), (error, isCutOff) => {
      if (signal.aborted) return reasonOf(signal);
      if (error instanceof TooLargeError) return error;
      const why = isCutOff ? { kind: 'timeout' as const, description: `no answer within ${timeoutMs / 1000} s (${uri})` } : explain(error, uri);
      return new ExternalError({ ...where, cause: error, ...why });
    });
  }

  #open(): Promise<AwsS3> {
    this.#client ??= open(this.#options);
    return this.#client;
  }
}

/** The SDK is large; a controller that reads and keeps nothing in S3 never loads it. */
async function open({ endpoint, region, attempts = 3, proxyEnv }: S3Options): Promise<AwsS3> {
  const { S3: Client } = await import('@aws-sdk/client-s3');
  const chosen = region ?? (endpoint === undefined ? undefined : (process.env['AWS_REGION'] ?? 'us-east-1'));
  const config: S3ClientConfig = {
    maxAttempts: attempts,
    // A bucket may be in another region than the controller.
    followRegionRedirects: true,
    requestHandler: { connectionTimeout: 5_000, httpAgent: { proxyEnv }, httpsAgent: { proxyEnv } },
    ...(chosen === undefined ? {} : { region: chosen }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
  };
  return new Client(config);
}

const byteStream = z.custom<AsyncIterable<unknown>>((body) => typeof body === 'object' && body !== null && Symbol.asyncIterator in body, 'S3 gave no stream of bytes');

const MAX_SHOWN = 200;

const short = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);

function explain(error: unknown, uri: string): Pick<ExternalErrorDetails, 'kind' | 'status' | 'description'> {
  const { name, message, status } = readSdkError(error);
  if (status !== undefined && status >= 300) return { kind: kindOfStatus(status), status, description: `${name} (${uri})${message === '' ? '' : ` ${short(message)}`}` };
  if (isWithoutCredentials(name)) return NO_CREDENTIALS;
  if (message === 'Region is missing') return { kind: 'badRequest', description: 'no AWS region is known: set AWS_REGION' };
  return { kind: 'unavailable', description: `${readTransportError(error).description} (${uri})` };
}
