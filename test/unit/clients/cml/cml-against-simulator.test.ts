import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createAuthority } from '../../../../hack/cluster/pki.ts';
import { createCmlSimulator } from '../../../../hack/sim/cml/simulator.ts';
import type { CmlOptions, CmlSimulator } from '../../../../hack/sim/cml/simulator.ts';
import { CmlClient } from '../../../../src/clients/cml/client.ts';
import { OutcomeUnknownError } from '../../../../src/clients/errors.ts';
import type { Credentials } from '../../../../src/clients/factory-port.ts';
import { Secret } from '../../../../src/clients/secret.ts';

const options = { signal: new AbortController().signal };
const topology = `
lab: {title: in the file, version: 0.3.0}
nodes:
  - {id: n0, label: edge-r1, node_definition: iosv, tags: ["serial:2002", "role:router"], configuration: hostname edge-r1, interfaces: []}
  - {id: n1, label: edge-r2, node_definition: iosv, tags: ["serial:2003"], interfaces: []}
smart_annotations:
  - {id: s0, tag: "serial:2002", label: "serial:2002"}
`;

let simulator: CmlSimulator;
let url: string;
let cml: CmlClient;
let credentials: Credentials;

async function start(settings: CmlOptions = {}): Promise<void> {
  simulator = createCmlSimulator(settings);
  url = await simulator.listen();
  credentials = { username: 'admin', password: 'secret' };
  cml = new CmlClient({ endpoint: url, credentials: async () => credentials, resilience: { retryBaseMs: 1 } });
}

/** What happens behind the API's back. */
async function behind(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<void> {
  const answer = await fetch(`${url}/sim/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

beforeEach(() => start());
afterEach(async () => {
  await simulator.close();
  await cml.close();
});

describe('a lab', () => {
  test('goes from import to removal', async () => {
    const { id, warnings } = await cml.importLab('campus-edge-7d1f0c2a-3e9b', topology, options);
    expect(warnings).toEqual([]);
    expect(await cml.lab(id, options)).toMatchObject({ id, title: 'campus-edge-7d1f0c2a-3e9b', state: 'DEFINED_ON_CORE', ownedByUs: true, nodeCount: 2 });
    await cml.startLab(id, options);
    expect(await cml.converged(id, options)).toBe(true);
    expect(await cml.lab(id, options)).toMatchObject({ state: 'STARTED' });
    await cml.stopLab(id, options);
    expect(await cml.lab(id, options)).toMatchObject({ state: 'STOPPED' });
    await cml.wipeLab(id, options);
    await cml.deleteLab(id, options);
    await expect(cml.lab(id, options)).rejects.toMatchObject({ kind: 'notFound', description: `Lab not found: ${id}` });
  });

  test('shows its nodes, takes other tags, gives up configurations and consoles', async () => {
    const { id } = await cml.importLab('t', topology, options);
    await cml.startLab(id, options);
    const [first] = await cml.nodes(id, options);
    if (first === undefined) throw new Error('the lab has no nodes');
    expect(first).toMatchObject({ label: 'edge-r1', nodeDefinition: 'iosv', state: 'BOOTED', bootProgress: 'Booted', tags: ['serial:2002', 'role:router'] });
    expect(first.consoles[0]).toMatchObject({ line: 0 });
    await cml.setTags(id, first.id, ['serial:2042', 'role:router'], options);
    await cml.extractConfiguration(id, first.id, options);
    const read = await cml.topology(id, { ...options, includeConfigurations: true });
    expect(read.nodes[0]).toMatchObject({ tags: ['serial:2042', 'role:router'] });
    expect(read.nodes[0]?.configurations[0]?.content).toContain('hostname edge-r1');
    expect(read.smartAnnotations.map(({ tag }) => tag)).toContain('serial:2042');
    expect(read.document).toHaveProperty('links');
    expect((await cml.topology(id, { ...options, includeConfigurations: false })).nodes[0]?.configurations).toEqual([]);
    expect(await cml.consoleLog(id, first.id, 0, options)).toMatch(/booting\r\n.*available/);
    expect(await cml.consoleLog(id, first.id, 0, { ...options, lines: 1 })).toBe('edge-r1>');
  });

  test('that is gone can be deleted, and cannot be started', async () => {
    const { id } = await cml.importLab('t', topology, options);
    await behind('DELETE', `labs/${id}`);
    await cml.deleteLab(id, options);
    await expect(cml.startLab(id, options)).rejects.toMatchObject({ kind: 'notFound' });
  });

  test('is found by its title among the labs of others, twice if it was imported twice, and never as somebody else\'s', async () => {
    const first = await cml.importLab('ours', topology, options);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await cml.importLab('ours', topology, options);
    await behind('POST', 'foreign-lab?title=ours&owner=teacher');
    await behind('POST', 'foreign-lab?title=theirs&owner=teacher');
    expect((await cml.findLabsByTitle('ours', options)).map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(await cml.findLabsByTitle('theirs', options)).toEqual([]);
    expect((await cml.findLabsByTitle('ours', { ...options, except: new Set([first.id]) })).map(({ id }) => id)).toEqual([second.id]);
    const all = await cml.listLabs(options);
    expect(all.map(({ title, ownedByUs }) => `${title} ${ownedByUs}`).sort()).toEqual(['ours false', 'ours true', 'ours true', 'theirs false']);
  });

  test('whose import got lost on the way back is there under its title, once', async () => {
    await behind('POST', 'fault', { name: 'lost-answer', times: 1, route: '/import' });
    await expect(cml.importLab('ours', topology, options)).rejects.toBeInstanceOf(OutcomeUnknownError);
    expect(await cml.findLabsByTitle('ours', options)).toHaveLength(1);
  });

  test('that CML refuses is refused with CML\'s own words', async () => {
    await expect(cml.importLab('t', 'nodes: 7', options)).rejects.toMatchObject({ kind: 'badRequest', retryable: false, status: 400 });
    await expect(cml.importLab('x'.repeat(65), topology, options)).rejects.toThrow(/POST \/import: 400 Invalid lab title: 1 to 64 characters/);
  });
});

test('a start beyond the licence says so, and is retried by nobody but the caller', async () => {
  await simulator.close();
  await start({ license: 'none' });
  const { id } = await cml.importLab('t', topology, options);
  await expect(cml.startLab(id, options)).rejects.toMatchObject({ kind: 'badRequest', description: expect.stringContaining('the license allows 0') as unknown });
});

test.each(['2.8.1', '2.9.1+build.4', '2.10.0'])('the login of version %s is checked where that version keeps it', async (version) => {
  await simulator.close();
  await start({ version });
  expect(await cml.systemInformation(options)).toEqual({ version, ready: true });
  await cml.checkLogin(options);
  credentials = { username: 'admin', password: 'wrong' };
  await expect(cml.checkLogin(options)).rejects.toMatchObject({ kind: 'unauthorized', status: 403, retryable: false });
});

test('the host tells its health, load, images and history', async () => {
  const { id } = await cml.importLab('t', topology, options);
  await cml.startLab(id, options);
  expect(await cml.health(options)).toEqual({ valid: true, licensed: true, enterprise: true, computes: [{ hostname: 'cml-controller', valid: true, controller: true, virtualization: true }] });
  const { cpu, memory } = await cml.stats(options);
  expect(cpu.count).toBe(48);
  expect(memory.used + memory.free).toBe(memory.total);
  const definitions = await cml.nodeDefinitions(options);
  expect(definitions.find((definition) => definition.id === 'iosv')?.images.length).toBeGreaterThan(0);
  const events = await cml.telemetryEvents(options);
  expect(events.map(({ category }) => category)).toEqual(expect.arrayContaining(['import_lab', 'start_lab']));
});

test('a licence is registered and given back; a bad token and a busy host are told apart, and the token is told to nobody', async () => {
  await simulator.close();
  await start({ license: 'none', registrationMs: 100 });
  await cml.setLicenceProduct('CML_Enterprise', options);
  await expect(cml.registerLicence(new Secret('not a token!'), options)).rejects.toMatchObject({ kind: 'badRequest', retryable: false });
  await cml.registerLicence(new Secret('AbC123=='), options);
  const busy: unknown = await cml.registerLicence(new Secret('AbC123=='), options).catch((error: unknown) => error);
  expect(busy).toMatchObject({ kind: 'conflict', retryable: true });
  expect(String(busy)).not.toContain('AbC123');
  await new Promise((resolve) => setTimeout(resolve, 120));
  expect(await cml.licensing(options)).toEqual({ registration: 'COMPLETED', authorization: 'IN_COMPLIANCE', product: 'CML_Enterprise', enterprise: true });
  await cml.deregisterLicence(options);
  // Once more: nothing left to do is no failure.
  await cml.deregisterLicence(options);
});

test('over TLS with a private CA from the Secret, and not without it', async () => {
  await simulator.close();
  const authority = await createAuthority('lab hosts');
  const { certificate: cert, key } = await authority.issue({ commonName: 'cml-01', hosts: ['127.0.0.1'] });
  await start({ tls: { cert, key } });
  await expect(cml.systemInformation(options)).rejects.toThrow(/put the CA \(PEM\) into the key ca\.crt of the credentials Secret/);
  credentials = { ...credentials, ca: authority.certificate };
  expect(await cml.listLabs(options)).toEqual([]);
});
