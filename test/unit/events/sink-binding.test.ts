import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createAuthority } from '../../../hack/cluster/pki.ts';
import { createSinks } from '../../../src/events/sinks.ts';
import { afterTest } from '../../support/after-test.ts';
import { sinkThat } from '../../support/events/sink-that.ts';
import { startScriptedServer } from '../../support/scripted-server.ts';
import type { CloudEvent } from '../../../src/events/cloudevent.ts';
import type { SinkBinding } from '../../../src/events/sink-binding.ts';
import type { Sink } from '../../../src/events/sink.ts';
import type { ScriptedServer } from '../../support/scripted-server.ts';

const event: CloudEvent = { id: '1', source: '/ccm', type: 'ccm.lablet.session.stopping', datacontenttype: 'application/json', extensions: new Map([['sequence', '0000000001']]), data: { kind: 'json', value: {} } };
const never = new AbortController().signal;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'binding-'));
  afterTest(() => rm(folder, { recursive: true }));
});

/** The sink of a binding, whose files are looked for in this test's folder only. */
function bound(binding: SinkBinding, urls?: string): Sink {
  const [sink] = createSinks({ urls, binding: { tokenFile: join(folder, 'token'), trustFolder: join(folder, 'trust'), ...binding } });
  if (!sink) throw new Error('no sink');
  afterTest(() => sink.close());
  return sink;
}

describe('a SinkBinding', () => {
  test('is used if no sink is named, and its token is read anew each time', async () => {
    const sink = await sinkThat();
    const out = bound({ sink: sink.url.href });
    await out.send(event, never);
    await writeFile(join(folder, 'token'), 'first\n');
    await out.send(event, never);
    await writeFile(join(folder, 'token'), 'second');
    await out.send(event, never);
    expect(sink.arrivals.map(({ headers }) => headers.authorization)).toEqual([undefined, 'Bearer first', 'Bearer second']);
  });

  test('whose token cannot be read sends nothing without it', async () => {
    const sink = await sinkThat();
    await mkdir(join(folder, 'token'));
    expect(await bound({ sink: sink.url.href }).send(event, never)).toMatchObject({ outcome: 'retry', blamesSink: false, reason: expect.stringContaining('EISDIR') });
    expect(sink.arrivals).toEqual([]);
  });

  test('sets its extensions on every event, over what the event carries', async () => {
    const sink = await sinkThat();
    await bound({ sink: sink.url.href, ceOverrides: '{"extensions":{"tenant":"exam floor 2","sequence":"7"}}' }).send(event, never);
    expect(Object.fromEntries(sink.arrivals[0]?.event.extensions ?? [])).toEqual({ tenant: 'exam floor 2', sequence: '7' });
  });

  test('gives way to a sink that is named, which gets neither its token nor its extensions', async () => {
    const sink = await sinkThat();
    await writeFile(join(folder, 'token'), 'secret');
    await bound({ sink: 'http://broker.invalid', ceOverrides: '{"extensions":{"tenant":"exams"}}' }, sink.url.href).send(event, never);
    expect(sink.arrivals[0]?.headers.authorization).toBeUndefined();
    expect(sink.arrivals[0]?.event.extensions.has('tenant')).toBe(false);
  });

  test.each(['{', '[]', '{"extensions":{"Bad-Name":"x"}}', '{"extensions":{"subject":"x"}}', '{"extensions":{"team":"Prüfung"}}', '{"extensions":{"n":7}}', `{"extensions":{"long":"${'x'.repeat(9000)}"}}`])(
    'with the overrides %.60s is refused with what to write', (ceOverrides) => {
      expect(() => bound({ sink: 'http://broker.example', ceOverrides })).toThrow(/^K_CE_OVERRIDES: give/);
    });
});

describe('a broker with a certificate of the cluster', () => {
  async function broker(): Promise<{ server: ScriptedServer; ca: string }> {
    const authority = await createAuthority('knative-ca');
    const { certificate, key } = await authority.issue({ commonName: 'broker-ingress', hosts: ['127.0.0.1'] });
    const server = await startScriptedServer([(response) => response.writeHead(202).end()], { cert: certificate, key });
    afterTest(() => server.close());
    return { server, ca: authority.certificate };
  }

  test('is trusted by K_CA_CERTS', async () => {
    const { server, ca } = await broker();
    expect(await bound({ sink: server.url, caCerts: `the cluster's authority\n${ca}\n` }).send(event, never)).toEqual({ outcome: 'accepted' });
  });

  test('is trusted by the trust bundles that are mounted', async () => {
    const { server, ca } = await broker();
    await mkdir(join(folder, 'trust', '..data'), { recursive: true });
    await writeFile(join(folder, 'trust', 'bundle.pem'), `${(await createAuthority('another')).certificate}\n${ca}`);
    expect(await bound({ sink: server.url }).send(event, never)).toEqual({ outcome: 'accepted' });
  });

  test('is not trusted without, or by another authority', async () => {
    const { server } = await broker();
    const { certificate } = await createAuthority('another');
    for (const caCerts of ['', certificate]) {
      expect(await bound({ sink: server.url, caCerts }).send(event, never)).toMatchObject({ outcome: 'retry', reason: expect.stringMatching(/certificate/) });
    }
    expect(server.received).toEqual([]);
  });

  test('whose K_CA_CERTS are cut off is an error at start', async () => {
    const { ca } = await broker();
    for (const caCerts of ['not a certificate', ca.slice(0, 200), `${ca}\n${ca.slice(0, 200)}`, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----']) {
      expect(() => bound({ sink: 'https://broker.example', caCerts })).toThrow(/^K_CA_CERTS: give certificates in PEM/);
    }
  });
});
