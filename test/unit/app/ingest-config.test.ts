import { describe, expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '../../../src/app/config.ts';

function problem(env: NodeJS.ProcessEnv): string {
  try {
    readConfig(env);
    return 'accepted';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const TLS = { INGEST_TLS_CERT: '/tls/tls.crt', INGEST_TLS_KEY: '/tls/tls.key' };

describe('who may send events', () => {
  test('is not asked by default', () => {
    expect(readConfig({})).toMatchObject({ INGEST_AUTH: 'none', INGEST_ALLOWED_SUBJECTS: [] });
  });

  test.each<[string, NodeJS.ProcessEnv]>([
    ['TLS alone', TLS],
    ['a secret', { INGEST_AUTH: 'secret', INGEST_SECRET: '/secret' }],
    ['tokens', { INGEST_AUTH: 'token', INGEST_AUDIENCE: 'lablet-ingest', INGEST_ALLOWED_SUBJECTS: 'system:serviceaccount:exams:*' }],
    ['client certificates', { INGEST_AUTH: 'mtls', INGEST_CLIENT_CA: '/ca.crt', ...TLS }],
    ['client certificates of some', { INGEST_AUTH: 'mtls', INGEST_CLIENT_CA: '/ca.crt', INGEST_ALLOWED_SUBJECTS: 'lds', ...TLS }],
  ])('may be told by %s', (_, env) => {
    expect(problem(env)).toBe('accepted');
  });

  test.each<[string, NodeJS.ProcessEnv, string]>([
    ['an unknown way', { INGEST_AUTH: 'basic' }, 'INGEST_AUTH'],
    ['tokens for no audience', { INGEST_AUTH: 'token', INGEST_ALLOWED_SUBJECTS: 'x' }, 'INGEST_AUTH=token needs INGEST_AUDIENCE: the audience that senders ask their tokens for'],
    ['tokens of anybody', { INGEST_AUTH: 'token', INGEST_AUDIENCE: 'a' }, 'INGEST_AUTH=token needs INGEST_ALLOWED_SUBJECTS: who may send'],
    ['a secret without a file', { INGEST_AUTH: 'secret' }, 'INGEST_AUTH=secret needs INGEST_SECRET: the path of a file'],
    ['client certificates without TLS', { INGEST_AUTH: 'mtls', INGEST_CLIENT_CA: '/ca.crt' }, 'INGEST_AUTH=mtls needs INGEST_TLS_CERT: the path of the server certificate, PEM; INGEST_AUTH=mtls needs INGEST_TLS_KEY'],
    ['a certificate without its key', { INGEST_TLS_CERT: '/tls.crt' }, 'INGEST_TLS_CERT and INGEST_TLS_KEY go together'],
    ['a secret that nobody asks for', { INGEST_SECRET: '/secret' }, 'INGEST_SECRET does nothing with INGEST_AUTH=none: it is for secret'],
    ['an allow-list that nobody reads', { INGEST_AUTH: 'secret', INGEST_SECRET: '/secret', INGEST_ALLOWED_SUBJECTS: 'lds' }, 'INGEST_ALLOWED_SUBJECTS does nothing with INGEST_AUTH=secret: it is for token and mtls'],
    ['an authority that nobody asks', { ...TLS, INGEST_CLIENT_CA: '/ca.crt' }, 'INGEST_CLIENT_CA does nothing with INGEST_AUTH=none: it is for mtls'],
  ])('is not told by %s', (_, env, message) => {
    expect(problem(env)).toContain(message);
  });
});

describe('types of senders’ own', () => {
  test('are none by default', () => {
    expect(readConfig({}).INGEST_TYPE_ALIASES.size).toBe(0);
  });

  test('are mapped to ours', () => {
    const { INGEST_TYPE_ALIASES: aliases } = readConfig({ INGEST_TYPE_ALIASES: 'com.cisco.certs.lds.session.running.v1=lds.session.started, assessment.grading.completed = grading.session.completed' });
    expect([...aliases]).toEqual([['com.cisco.certs.lds.session.running.v1', 'lds.session.started'], ['assessment.grading.completed', 'grading.session.completed']]);
  });

  test.each([
    ['a type that we do not consume', 'a=b', '"a=b" is no alias; write ALIAS=TYPE, TYPE being one of lds.session.started'],
    ['half a pair', 'lds.session.started', '"lds.session.started" is no alias'],
    ['one of our own types', 'lds.session.ended=lds.session.started', '"lds.session.ended" has a meaning already'],
    ['the same alias twice', 'a=lds.session.started,a=lds.session.ended', '"a" has a meaning already'],
  ])('are refused for %s', (_, text, message) => {
    expect(problem({ INGEST_TYPE_ALIASES: text })).toContain(`INGEST_TYPE_ALIASES: ${message}`);
  });
});
