/** Evidence in S3 (`EVIDENCE_URL=s3://exam-evidence/lablet`): for every installation with more than one node. */
import { createHash } from 'node:crypto';
import { parseS3Uri } from '../s3.ts';
import type { S3 } from '../s3.ts';
import type { EvidenceStore } from './port.ts';

/**
 * @param url `s3://BUCKET/PREFIX`, the prefix optional; the bucket must exist
 * @throws TypeError that says how to write one
 */
export function s3Evidence(s3: S3, url: string): EvidenceStore {
  const root = parseS3Uri(url);
  if (root === undefined) throw new TypeError('write it like s3://BUCKET/PREFIX, with the name of the bucket in lower case');
  const prefix = root.key.split('/').filter((part) => part !== '');
  return {
    async put(key, content, { signal }) {
      const parts = key.split('/');
      // Servers that keep objects as files would resolve them, and a policy on the prefix would no longer hold.
      if (parts.some((part) => part === '' || part === '.' || part === '..')) throw new RangeError(`evidence key ${JSON.stringify(key)} leaves the evidence prefix`);
      const at = { bucket: root.bucket, key: [...prefix, ...parts].join('/') };
      await s3.put(at, content, { signal });
      return { uri: `s3://${at.bucket}/${at.key}`, sha256: createHash('sha256').update(content).digest('hex') };
    },
  };
}
