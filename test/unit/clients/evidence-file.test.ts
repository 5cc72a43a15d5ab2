import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { fileEvidence } from '../../../src/clients/evidence/file.ts';

const call = { signal: new AbortController().signal };
const store = () => {
  const directory = mkdtempSync(join(tmpdir(), 'evidence-'));
  return { directory, evidence: fileEvidence(pathToFileURL(directory).href) };
};

describe('evidence in a directory', () => {
  test('is where its URI says, with the digest of its bytes', async () => {
    const { evidence } = store();
    const content = new TextEncoder().encode('hostname edge-r1\n');
    const { uri, sha256 } = await evidence.put('uid-1/collect_evidence/edge-r1.cfg', content, call);
    expect(readFileSync(fileURLToPath(uri))).toEqual(Buffer.from(content));
    expect(sha256).toBe(createHash('sha256').update(content).digest('hex'));
  });

  test('put twice is there once, as it was put last', async () => {
    const { directory, evidence } = store();
    await evidence.put('uid-1/manifest.json', new TextEncoder().encode('first'), call);
    await evidence.put('uid-1/manifest.json', new TextEncoder().encode('second'), call);
    expect(readdirSync(join(directory, 'uid-1'))).toEqual(['manifest.json']);
    expect(readFileSync(join(directory, 'uid-1', 'manifest.json'), 'utf8')).toBe('second');
  });

  test('never leaves its directory', async () => {
    const { evidence } = store();
    await expect(evidence.put('../outside', new Uint8Array(), call)).rejects.toThrow(/leaves the evidence directory/);
  });
});
