import { describe, expect, test } from '@jest/globals';
import { InstallationError, refuseStrays } from '../../../src/app/installation.ts';
import { newLab, stored } from '../../support/objects.ts';
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
