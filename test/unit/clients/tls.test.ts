import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { createAuthority } from '../../../hack/cluster/pki.ts';
import type { Authority } from '../../../hack/cluster/pki.ts';
import { HttpHost } from '../../../src/clients/http.ts';
import { json, startScriptedServer } from '../../support/scripted-server.ts';
import type { ScriptedServer } from '../../support/scripted-server.ts';

const call = { method: 'GET', path: '/', signal: new AbortController().signal } as const;
const body = z.object({ ok: z.literal(true) });
let authority: Authority;
let server: ScriptedServer;
let host: HttpHost;

beforeAll(async () => {
  authority = await createAuthority('labs of the exam team');
  const { certificate, key } = await authority.issue({ commonName: 'cml-01', hosts: ['127.0.0.1'] });
  server = await startScriptedServer([json({ ok: true })], { cert: certificate, key });
  host = new HttpHost({ system: 'cml', endpoint: server.url, resilience: { retries: 0 } });
});

afterAll(async () => {
  await server.close();
  await host.close();
});

test('a host with a private CA is trusted only while its CA is given, and a changed CA counts from the next call on', async () => {
  await expect(host.json(call, body)).rejects.toThrow(/not signed by a trusted CA: put the CA \(PEM\) into the key ca\.crt/);
  host.trust(authority.certificate);
  expect(await host.json(call, body)).toEqual({ ok: true });
  host.trust((await createAuthority('somebody else')).certificate);
  await expect(host.json(call, body)).rejects.toThrow(/not signed by a trusted CA/);
  expect(server.received).toHaveLength(1);
});

test('a certificate for another host name is refused, although its CA is trusted', async () => {
  const { certificate, key } = await authority.issue({ commonName: 'cml-02', hosts: ['cml-02.example.org'] });
  const impostor = await startScriptedServer([json({ ok: true })], { cert: certificate, key });
  const other = new HttpHost({ system: 'cml', endpoint: impostor.url, resilience: { retries: 0 } });
  other.trust(authority.certificate);
  await expect(other.json(call, body)).rejects.toThrow(/for another host name/);
  expect(impostor.received).toHaveLength(0);
  await impostor.close();
  await other.close();
});

test('an effect on a port without TLS was never sent, and the error says where to look', async () => {
  const plain = await startScriptedServer([json({ ok: true })]);
  const mistaken = new HttpHost({ system: 'cml', endpoint: plain.url.replace('http:', 'https:') });
  await expect(mistaken.send({ ...call, method: 'POST' })).rejects.toMatchObject({ kind: 'unavailable', description: expect.stringContaining('is the port an https port?') as unknown });
  expect(plain.received).toHaveLength(0);
  await plain.close();
  await mistaken.close();
});
