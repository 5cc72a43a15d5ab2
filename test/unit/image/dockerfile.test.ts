import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { validate } from 'dockerfile-utils';
import { NODE_FLAGS } from '../../../hack/bundle/node-flags.ts';
import { imageOf } from '../../../hack/node/images.ts';
import { argumentsOf, BUILD_STAGE, DOCKERFILE, execForm, ROOT, RUNTIME_STAGE } from '../../support/dockerfile.ts';

describe('the Dockerfile', () => {
  test('is valid', () => {
    expect(validate(DOCKERFILE)).toEqual([]);
  });

  test('a mistake in it would be found', () => {
    expect(validate(DOCKERFILE.replace('WORKDIR', 'WORKDIRR')).map(({ message }) => message)).toEqual([expect.stringContaining('WORKDIRR')]);
  });

  test('takes both base images as arguments, and no other', () => {
    expect(argumentsOf([...BUILD_STAGE, ...RUNTIME_STAGE], 'FROM')).toEqual(['${BUILD_IMAGE} AS build', '${RUNTIME_IMAGE}']);
    expect(argumentsOf(BUILD_STAGE, 'ARG').map((argument) => argument.split('=')[0])).toEqual(['BUILD_IMAGE', 'RUNTIME_IMAGE']);
    // A frontend that has to be fetched is a third image.
    expect(DOCKERFILE).not.toMatch(/^#\s*syntax\s*=/im);
  });

  test('starts the controller with the flags that it is measured with', () => {
    expect(execForm(argumentsOf(RUNTIME_STAGE, 'ENTRYPOINT')[0])).toEqual(['node', ...NODE_FLAGS, '/app/lablet-controller.mjs']);
  });

  test('runs nothing in the runtime stage, and neither program nor health check in a shell', () => {
    expect(argumentsOf(RUNTIME_STAGE, 'RUN')).toEqual([]);
    expect(execForm(argumentsOf(RUNTIME_STAGE, 'HEALTHCHECK')[0])).toEqual(['node', '/app/healthcheck.mjs']);
  });

  test('makes the image that the nodes of the tests run', () => {
    const image = imageOf('dist/lablet-controller.mjs');
    const [user] = (argumentsOf(RUNTIME_STAGE, 'USER').at(-1) ?? '').split(':');
    const env = argumentsOf(RUNTIME_STAGE, 'ENV').flatMap((argument) => argument.match(/\w+=\S+/g) ?? []);
    expect(image).toMatchObject({ entrypoint: execForm(argumentsOf(RUNTIME_STAGE, 'ENTRYPOINT')[0]), env, directory: argumentsOf(RUNTIME_STAGE, 'WORKDIR').at(-1), user: Number(user) });
  });

  test('ends as a user with a number, who is not root', () => {
    expect(argumentsOf(RUNTIME_STAGE, 'USER').at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  });

  test('copies what .dockerignore lets through, and .dockerignore lets through nothing else', () => {
    const copied = argumentsOf(BUILD_STAGE, 'COPY').flatMap((argument) => argument.split(/\s+/).slice(0, -1));
    const lines = readFileSync(resolve(ROOT, '.dockerignore'), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines[0]).toBe('*');
    const admitted = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    // `!hack` and `hack/*` only lead to the folders below.
    expect(lines.filter((line) => !line.startsWith('!'))).toEqual(['*', 'hack/*']);
    expect(admitted.filter((path) => path !== 'hack').sort()).toEqual(copied.sort());
  });
});
