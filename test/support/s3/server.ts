import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { S3 } from '@aws-sdk/client-s3';
import { builtOnce, leashProgram } from '../../../hack/cluster/binaries.ts';
import { readyOrEnded, startLeashed } from '../../../hack/cluster/leash.ts';
import type { LeashedProcess } from '../../../hack/cluster/leash.ts';
import { freePort } from '../../../hack/cluster/ports.ts';
import { eventually } from '../eventually.ts';

const MODULE = resolve(import.meta.dirname, 'gateway');
const ACCESS_KEY = 'test-access-key';
const SECRET_KEY = 'test-secret-key';

export interface S3Server {
  /** What AWS_ENDPOINT_URL_S3 is set to. */
  readonly endpoint: string;
  /** Credentials for the environment of whoever speaks to it. */
  readonly credentials: { readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string };
  createBucket(bucket: string): Promise<void>;
  /** Puts an object as the people do who own the bucket. */
  put(bucket: string, key: string, content: string | Uint8Array): Promise<void>;
  /** The bytes that the server keeps of an object. */
  kept(bucket: string, key: string): Promise<Buffer>;
  /** Kills it, and starts it again on the same port with the same objects after `meanwhile`. */
  restart(meanwhile: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

const report = (line: string): void => void process.stderr.write(`S3 server for tests: ${line}\n`);

/** Path of the program, built once (about a minute and a half of CPU time) and kept in the cache. */
export const s3Program = async (): Promise<string> => join(await builtOnce('versitygw', ['github.com/versity/versitygw/cmd/versitygw'], process.env, report, MODULE), 'versitygw');

/** A real S3 server on a free port. */
export async function startS3Server(): Promise<S3Server> {
  const program = await s3Program();
  const leash = await leashProgram(process.env, report);
  const directory = await mkdtemp(join(tmpdir(), 'lablet-s3-'));
  const [buckets, metadata] = [join(directory, 'buckets'), join(directory, 'metadata')];
  await Promise.all([mkdir(buckets), mkdir(metadata)]);
  const address = `127.0.0.1:${await freePort()}`;
  const endpoint = `http://${address}`;
  // Metadata beside the files: not every temporary directory keeps extended attributes.
  const args = ['--port', address, '--access', ACCESS_KEY, '--secret', SECRET_KEY, '--quiet', 'posix', '--sidecar', metadata, buckets];
  const start = async (): Promise<LeashedProcess> => {
    const started = startLeashed(leash, program, args, join(directory, 'server.log'));
    await readyOrEnded(started, 'the S3 server', () => eventually(async () => (await fetch(endpoint)).text()));
    return started;
  };
  let running = await start();
  const owner = new S3({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY } });
  return {
    endpoint,
    credentials: { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY },
    createBucket: async (Bucket) => {
      await owner.createBucket({ Bucket });
    },
    put: async (Bucket, Key, Body) => {
      await owner.putObject({ Bucket, Key, Body });
    },
    kept: (bucket, key) => readFile(join(buckets, bucket, key)),
    restart: async (meanwhile) => {
      await running.kill();
      await meanwhile();
      running = await start();
    },
    close: async () => {
      owner.destroy();
      await running.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
