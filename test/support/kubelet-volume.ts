/** A folder as the kubelet mounts a Secret: files are links through `..data`, which is swapped at once for all of them. */
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface KubeletVolume {
  path(name: string): string;
  /** Puts another version of all files in place, as the kubelet does. */
  update(files: Readonly<Record<string, string>>): Promise<void>;
  remove(): Promise<void>;
}

export async function kubeletVolume(files: Readonly<Record<string, string>>): Promise<KubeletVolume> {
  const folder = await mkdtemp(join(tmpdir(), 'lablet-volume-'));
  let version = 0;
  const update = async (next: Readonly<Record<string, string>>): Promise<void> => {
    const name = `..version-${++version}`;
    await mkdir(join(folder, name));
    for (const [file, content] of Object.entries(next)) await writeFile(join(folder, name, file), content);
    await symlink(name, join(folder, '..data_tmp'));
    await rename(join(folder, '..data_tmp'), join(folder, '..data'));
    await rm(join(folder, `..version-${version - 1}`), { recursive: true, force: true });
  };
  await update(files);
  for (const file of Object.keys(files)) await symlink(join('..data', file), join(folder, file));
  return { path: (name) => join(folder, name), update, remove: () => rm(folder, { recursive: true, force: true }) };
}
