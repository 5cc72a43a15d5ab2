/** Evidence in a directory (`EVIDENCE_URL=file:///var/lib/lablet/evidence`): for one node, tests and the demo. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { EvidenceStore } from './port.ts';

/** @param url `file:` URL of the directory; it is made when the first file is stored */
export function fileEvidence(url: string): EvidenceStore {
  const root = resolve(fileURLToPath(url));
  return {
    async put(key, content, { signal }) {
      const path = resolve(root, key);
      if (!path.startsWith(root + sep)) throw new RangeError(`evidence key ${JSON.stringify(key)} leaves the evidence directory`);
      // Configurations of candidates, and the passwords in them, are for nobody else on the machine.
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      // A reader sees the old file or the new one, never half of it.
      const temporary = `${path}.${randomUUID()}`;
      await writeFile(temporary, content, { signal, mode: 0o600 });
      await rename(temporary, path);
      return { uri: pathToFileURL(path).href, sha256: createHash('sha256').update(content).digest('hex') };
    },
  };
}
