/** Opens the archive that ARCHIVE_URL names, for the controller and for `lablet-controller archive`. */
import { parseS3Uri } from '../clients/s3.ts';
import { fileArchive } from '../events/archive/store-file.ts';
import { s3Archive } from '../events/archive/store-s3.ts';
import { ConfigError } from './config.ts';
import type { S3 } from '../clients/s3.ts';
import type { ArchiveStore } from '../events/archive/store.ts';

/** @throws ConfigError that says how to write one */
export function openArchive(url: string, s3: S3): ArchiveStore {
  const bucket = parseS3Uri(url);
  if (bucket) return s3Archive(s3, bucket);
  if (url.startsWith('file:///')) return fileArchive(url);
  throw new ConfigError(`the archive '${url.slice(0, 100)}': write it like file:///var/lib/lablet/archive or s3://BUCKET/PREFIX (ARCHIVE_URL, or --url)`);
}
