import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '../../../src/app/config.ts';

const fileWith = (text: string): string => {
  const file = join(mkdtempSync(join(tmpdir(), 'config-')), 'config.yaml');
  writeFileSync(file, text);
  return file;
};

const messageOf = (env: NodeJS.ProcessEnv, file?: string): string => {
  try {
    readConfig(env, file);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
};

describe('the configuration', () => {
  test('needs nothing: every variable has a default or may be absent', () => {
    expect(readConfig({})).toMatchObject({ INGEST_PORT: 8080, OPS_PORT: 8081, CLOUDEVENTS_MODE: 'binary', CLOUDEVENTS_SOURCE: '/ccm/lablet-controller', WATCH_NAMESPACES: [], TIME_SCALE: 1, POD_NAMESPACE: 'lablet-system' });
  });

  test.each(['file:///var/lib/evidence', 's3://exam-evidence', 's3://exam-evidence/lablet/prod'])('takes %s as a place for evidence', (EVIDENCE_URL) => {
    expect(readConfig({ EVIDENCE_URL })).toMatchObject({ EVIDENCE_URL });
  });

  test('sets single limits of the lifecycle, and names the one that it does not know', () => {
    expect(readConfig({ TIMEOUTS: 'hold=2h' }).TIMEOUTS).toMatchObject({ hold: 7_200_000, grading: 1_800_000 });
    expect(messageOf({ TIMEOUTS: 'hodl=2h' })).toContain('TIMEOUTS: there is no limit "hodl"; there are schedulingGate, ');
  });

  test('cannot be changed once it is read', () => {
    expect(Object.isFrozen(readConfig({}))).toBe(true);
  });

  test('takes lists with commas and spaces, and an empty value for unset', () => {
    const config = readConfig({ WATCH_NAMESPACES: 'exams, labs,', LDS_URL: '', LOG_LEVEL: '' });
    expect(config.WATCH_NAMESPACES).toEqual(['exams', 'labs']);
    expect(config.LDS_URL).toBeUndefined();
    expect(config.LOG_LEVEL).toBe('info');
  });

  test('reads the same names from a YAML file, and the environment wins over it', () => {
    const file = fileWith('INGEST_PORT: 9000\nOPS_PORT: 9001\nCLOUDEVENTS_MODE: structured\n');
    expect(readConfig({ OPS_PORT: '9100' }, file)).toMatchObject({ INGEST_PORT: 9000, OPS_PORT: 9100, CLOUDEVENTS_MODE: 'structured' });
  });

  test.each([
    ['a port that is none', { INGEST_PORT: '70000' }, /INGEST_PORT: .*65535/],
    ['a mode that does not exist', { CLOUDEVENTS_MODE: 'batch' }, /CLOUDEVENTS_MODE/],
    ['a URL without a scheme', { LDS_URL: 'lds.example.org', LDS_CREDENTIALS_SECRET: 'lds' }, /LDS_URL: must be an http or https URL/],
    ['LDS without credentials', { LDS_URL: 'https://lds.example.org' }, /LDS_URL needs LDS_CREDENTIALS_SECRET/],
    ['a GradingEngine without a token endpoint', { GRADING_ENGINE_URL: 'https://grading.example.org', GRADING_CREDENTIALS_SECRET: 'grading' }, /GRADING_ENGINE_URL needs GRADING_TOKEN_URL/],
    ['a cluster id that would widen the orphan sweep', { CLUSTER_ID: 'a' }, /CLUSTER_ID: must be 4 hexadecimal digits/],
    ['evidence at an address that nothing can be put to', { EVIDENCE_URL: 'https://evidence.example.org/lablet' }, /EVIDENCE_URL: must be a file: URL or s3:\/\/BUCKET\/PREFIX/],
    ['evidence in a bucket without a name', { EVIDENCE_URL: 's3:///lablet' }, /EVIDENCE_URL: must be a file: URL or s3:\/\/BUCKET\/PREFIX/],
    ['a URL among the hosts that topologies may come from', { TOPOLOGY_ALLOW_HOSTS: '10.0.0.0/8, https://git.example.org' }, /TOPOLOGY_ALLOW_HOSTS: "https:\/\/git\.example\.org" is no host; write names, addresses or networks/],
    ['a proxy of another kind', { HTTPS_PROXY: 'socks5://proxy.example.org:1080' }, /HTTPS_PROXY: must be the URL of an HTTP proxy, http:\/\/\[USER:PASSWORD@\]HOST:PORT/],
    ['a time to drain without a unit', { DRAIN_DELAY: '5' }, /DRAIN_DELAY: must be a number of seconds such as 5s/],
    ['a compressed clock in production', { TIME_SCALE: '60' }, /TIME_SCALE is for tests and demos: it needs LABLET_DEV=1/],
  ])('refuses %s and says what to do', (_, env, message) => {
    expect(messageOf(env)).toMatch(message);
  });

  test('takes the usual forms of proxies: without a scheme, and names in lower case, over which those in upper case win', () => {
    expect(readConfig({ HTTPS_PROXY: 'proxy:3128', http_proxy: 'http://ada:secret@proxy:3128', no_proxy: '.svc', NO_PROXY: 'example.com' })).toMatchObject({
      HTTPS_PROXY: 'http://proxy:3128', HTTP_PROXY: 'http://ada:secret@proxy:3128', NO_PROXY: ['example.com'],
    });
  });

  test('does not show the password of a proxy', () => {
    expect(messageOf({ HTTPS_PROXY: 'ftp://ada:lovelace@proxy:21' })).not.toContain('lovelace');
  });

  test('names everything that is wrong at once', () => {
    expect(messageOf({ INGEST_PORT: 'x', LOG_LEVEL: 'loud' })).toMatch(/INGEST_PORT.*LOG_LEVEL/);
  });

  test('says which file cannot be read', () => {
    expect(messageOf({}, '/nowhere/config.yaml')).toMatch(/--config \/nowhere\/config\.yaml: .*ENOENT/);
    expect(messageOf({}, fileWith('LDS_URL: [1, 2]'))).toMatch(/--config .*LDS_URL/s);
  });
});
