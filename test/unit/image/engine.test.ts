import { describe, expect, test } from '@jest/globals';
import { buildArguments, chooseEngine, sourceLabel } from '../../../hack/image/engine.ts';
import type { Engine } from '../../../hack/image/engine.ts';

describe('the engine that builds', () => {
  const machine = (...working: Engine[]) => (engine: Engine) => (working.includes(engine) ? undefined : 'is not installed');

  test('is the first of docker, podman and buildah that works', () => {
    expect(chooseEngine(undefined, machine('podman', 'docker'))).toBe('docker');
    expect(chooseEngine(undefined, machine('buildah'))).toBe('buildah');
  });

  test('is the one that is asked for, even where another one works', () => {
    expect(chooseEngine('podman', machine('docker', 'podman'))).toBe('podman');
    expect(() => chooseEngine('podman', machine('docker'))).toThrow('podman: is not installed');
    expect(() => chooseEngine('kaniko', machine('docker'))).toThrow('kaniko: is none of docker, podman, buildah');
  });

  test('where none works, the message says what is wrong with each and what to do', () => {
    expect(() => chooseEngine(undefined, machine())).toThrow(/docker: is not installed\n {2}podman: is not installed\n {2}buildah: is not installed\nInstall one/);
  });

  test('is told of bases, labels and secret, and of no argument that nobody set', () => {
    const request = { image: 'registry.example.org/lablet-controller:1.2.3', arguments: { BUILD_IMAGE: 'mirror/node:24', RUNTIME_IMAGE: undefined }, labels: { 'org.opencontainers.image.revision': 'abc', 'org.opencontainers.image.source': undefined }, npmrc: '/home/me/.npmrc' };
    const expected = ['--tag', 'registry.example.org/lablet-controller:1.2.3', '--build-arg', 'BUILD_IMAGE=mirror/node:24', '--label', 'org.opencontainers.image.revision=abc', '--secret', 'id=npmrc,src=/home/me/.npmrc', '.'];
    expect(buildArguments('docker', request)).toEqual(['build', ...expected]);
    // Without it they write images of OCI's format, which have no health check.
    expect(buildArguments('buildah', request)).toEqual(['build', '--format', 'docker', ...expected]);
  });

  test('is told where the sources are, and no login that stands in the address', () => {
    expect(sourceLabel('https://ci:token-4711@git.example.org/exams/lablet-controller.git')).toBe('https://git.example.org/exams/lablet-controller.git');
    expect(['/home/me/clone', 'git@git.example.org:exams/lablet-controller.git', undefined].map(sourceLabel)).toEqual([undefined, undefined, undefined]);
  });
});
