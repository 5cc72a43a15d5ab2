import { afterEach, describe, expect, test } from '@jest/globals';
import { claimInstallation, InstallationError, refuseStrays } from '../../../src/app/installation.ts';
import { ForbiddenError } from '../../../src/kube/errors.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/telemetry/log.ts';
import { newLab, stored } from '../../support/objects.ts';
import { json, noAnswer, refusal, ScriptedApi } from '../../support/scripted-api.ts';
import type { Lab } from '../../../src/api/lab.ts';

const lab = (name: string, session?: string): Lab => {
  const [namespace = '', sessionName = ''] = session?.split('/') ?? [];
  const sessionRef = session === undefined ? {} : { sessionRef: { namespace, name: sessionName, uid: session } };
  return stored('Lab', newLab(name, 'cml-1', { spec: { definitionRef: { namespace: 'labs', name: 'edge', version: '1.0.0' }, topologySha256: 'a'.repeat(64), ...sessionRef } }));
};

describe('a namespace that is not watched', () => {
  test('may have no session with a lab on a host: nobody would look after it', () => {
    const labs = [lab('l1', 'exams/ada'), lab('l2', 'trials/linus'), lab('l3', 'archive/grace')];
    expect(() => refuseStrays(labs, ['exams'])).toThrow(InstallationError);
    expect(() => refuseStrays(labs, ['exams'])).toThrow('2 sessions in archive, trials still have their labs on a host (session trials/linus: Lab l2), and WATCH_NAMESPACES (exams) leaves those namespaces out. Add archive, trials to WATCH_NAMESPACES again, and take it out when its sessions have ended.');
  });

  test('may have definitions of labs that are kept for later', () => {
    expect(() => refuseStrays([lab('l1', 'exams/ada'), lab('l2')], ['exams'])).not.toThrow();
  });

  test('is none where all are watched', () => {
    expect(() => refuseStrays([lab('l1', 'exams/ada')], [])).not.toThrow();
  });
});

describe('the claim of the cluster', () => {
  let api: ScriptedApi;
  afterEach(() => api.stop());
  /** A hundred times as fast. */
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() * 100, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 100, signal) };
  const claim = (): Promise<void> => claimInstallation({ client: api.client({ retry: { retries: 0 } }), clock, log: silentLog, namespace: 'lablet-system' }, AbortSignal.timeout(10_000));
  const ours = json({ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'workers.lablet.dev', uid: 'u', resourceVersion: '7', annotations: { 'lablet.dev/installation': 'lablet-system' } } });

  test('outlasts an API server that is away, and one that has come back and has not read its roles yet', async () => {
    api = await ScriptedApi.start();
    api.on('other', noAnswer, refusal(503, 'ServiceUnavailable'), refusal(403, 'Forbidden'), refusal(403, 'Forbidden'), ours);
    await claim();
    expect(api.seen('other')).toHaveLength(5);
  });

  test('ends with what the API server says where a rule is missing', async () => {
    api = await ScriptedApi.start();
    api.on('other', refusal(403, 'Forbidden'));
    await expect(claim()).rejects.toThrow(ForbiddenError);
  });
});
