import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { rm } from 'node:fs/promises';
import { createLogger } from '../../../src/telemetry/log.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { WatchedFileError, WatchedFiles } from '../../../src/runtime/watched-files.ts';
import { until } from '../../support/events/until.ts';
import { kubeletVolume } from '../../support/kubelet-volume.ts';
import type { KubeletVolume } from '../../support/kubelet-volume.ts';

let volume: KubeletVolume;
let stop: AbortController;
let lines: string[];

beforeEach(async () => {
  volume = await kubeletVolume({ key: 'key 1', cert: 'cert 1' });
  stop = new AbortController();
  lines = [];
});
afterEach(async () => {
  stop.abort();
  await volume.remove();
});

/** Watches key and certificate, which must be of the same number. */
async function watched(): Promise<{ used: string[]; ended: Promise<void> }> {
  const used: string[] = [];
  const files = await WatchedFiles.open({ KEY: volume.path('key'), CERT: volume.path('cert') }, ({ KEY, CERT }) => {
    const [key, cert] = [KEY.toString(), CERT.toString()];
    if (key.slice(-1) !== cert.slice(-1)) throw new WatchedFileError(`${key} is not that of ${cert}`);
    used.push(key);
  });
  const log = createLogger({ destination: { write: (line: string) => void lines.push(line) } });
  return { used, ended: files.watch(stop.signal, { clock: systemClock, log, everyMs: 5 }) };
}

describe('files of a mounted Secret', () => {
  test('are used at once, and again when the kubelet has swapped them', async () => {
    const { used } = await watched();
    expect(used).toEqual(['key 1']);
    await volume.update({ key: 'key 2', cert: 'cert 2' });
    await until('the new ones are in use', () => used.length > 1);
    expect(used).toEqual(['key 1', 'key 2']);
  });

  test('that do not fit, or are gone, leave those before in use until they do; the log says so once', async () => {
    const { used } = await watched();
    await volume.update({ key: 'key 2', cert: 'cert 1' });
    await until('it is told', () => lines.some((line) => line.includes('key 2 is not that of cert 1')));
    await rm(volume.path('..data'));
    await until('it is told', () => lines.some((line) => line.includes('ENOENT')));
    expect(used).toEqual(['key 1']);
    await volume.update({ key: 'key 3', cert: 'cert 3' });
    await until('the new ones are in use', () => used.includes('key 3'));
    expect(lines.filter((line) => line.includes('"level":"error"'))).toHaveLength(2);
  });

  test('are looked at no more once the program ends', async () => {
    const { used, ended } = await watched();
    stop.abort();
    await ended;
    await volume.update({ key: 'key 2', cert: 'cert 2' });
    expect(used).toEqual(['key 1']);
  });
});

test('a file that is not there is named, with the setting that names it', async () => {
  await expect(WatchedFiles.open({ INGEST_SECRET: '/nowhere/secret' }, () => undefined)).rejects.toThrow('INGEST_SECRET: the file /nowhere/secret cannot be read (ENOENT)');
});
