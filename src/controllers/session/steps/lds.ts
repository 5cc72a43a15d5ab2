/** The candidate's page in LDS: made in `instantiate`, released in `teardown`. */
import { SECRETS, LABLET_SESSIONS } from '../../../api/kinds.ts';
import { API_VERSION, LABELS, MANAGER } from '../../../api/group.ts';
import { ldsDevices } from '../../../core/topology/devices.ts';
import { sha256Hex } from '../../../core/canonical.ts';
import { derivedId } from '../../../core/outbox.ts';
import { candidateId, usesLds } from '../../../core/session/world.ts';
import { launchSecretName } from '../../../core/session/effects.ts';
import { AlreadyExistsError } from '../../../kube/errors.ts';
import { Secret } from '../../../clients/secret.ts';
import { holdsPage, noteReleased, releasePage } from '../lds-release.ts';
import { workerAddress } from '../../worker/cml.ts';
import { PermanentStepError, stepDone, stepSkipped } from './step.ts';
import type { LdsDevice as DeviceForLds, LdsPort } from '../../../clients/lds/port.ts';
import type { LdsDevice } from '../../../core/topology/devices.ts';
import type { Step, StepContext } from './step.ts';

/** Session, devices, launch URL: LDS knows the candidate, and the URL waits in a Secret of the session. */
export const ldsProvision: Step = async (context) => {
  const { deps, frozen, session, worker } = context;
  if (!usesLds(context.world) || !deps.settings.lds || !worker) return stepSkipped('no page in LDS');
  const lds = deps.clients.lds(deps.settings.lds);
  const devices = ldsDevices(frozen.nodes, context.lab().spec.ports, workerAddress(worker), frozen.definition.spec.devices);
  const ldsSessionId = context.status.userSession?.ldsSessionId ?? (await createSession(context, lds));
  await lds.setDevices(ldsSessionId, 1, await withPasswords(context, devices), context.call());
  const url = await lds.launchUrl(ldsSessionId, context.call());
  await storeLaunchUrl(context, url);
  context.record((draft) => {
    if (!draft.userSession) return;
    draft.userSession = {
      ...draft.userSession, state: 'Provisioned', loginUrlSecretRef: { name: launchSecretName(session.metadata.name) }, loginUrlSha256: sha256Hex(url.reveal()),
      devices: devices.map(({ label, protocol, host, port, uri }) => ({ name: label, protocol, host, port, uri })),
    };
  });
  return stepDone();
};

/** LDS has no idempotency key: the intent is written first, so that a crash in between is known and said. */
async function createSession(context: StepContext, lds: LdsPort): Promise<string> {
  const { session, frozen, deps } = context;
  const formQualifiedName = frozen.definition.spec.formQualifiedName ?? '';
  if (context.status.userSession?.state === 'Provisioning') {
    context.log.warn('PossibleOrphanLdsSession: an earlier attempt to create the LDS session has an unknown outcome');
    deps.events.record({ regarding: session, type: 'Warning', reason: 'PossibleOrphanLdsSession', action: 'Provision', note: 'The answer of LDS to an earlier attempt is not known; a session may be left there. LDS archives it by itself.' });
  } else {
    const id = derivedId(session.metadata.uid, 'UserSession', (context.status.reschedules ?? 0) + 1);
    context.record((draft) => { draft.userSession = { id, partNum: 1, formQualifiedName, state: 'Provisioning' }; });
    await context.checkpoint();
  }
  const { candidate } = session.spec;
  const created = await lds.createSession({
    origin: MANAGER, authId: session.metadata.uid, formQualifiedName, scheduledAt: context.status.timeslot?.start ?? deps.clock.now().toISOString(),
    candidate: { id: candidateId(session), firstName: candidate?.firstName ?? '', lastName: candidate?.lastName ?? '' },
  }, context.call());
  context.record((draft) => { if (draft.userSession) draft.userSession = { ...draft.userSession, ldsSessionId: created.id }; });
  return created.id;
}

async function withPasswords(context: StepContext, devices: readonly LdsDevice[]): Promise<DeviceForLds[]> {
  const namespace = context.session.metadata.namespace ?? '';
  return Promise.all(devices.map(async ({ label, protocol, host, port, credentialsSecretRef: ref }) => {
    if (!ref) return { label, protocol, host, port };
    const password = await context.deps.secrets.value(namespace, ref, 'password', context.call());
    return { label, protocol, host, port, password: new Secret(password) };
  }));
}

/** The launch URL is a bearer secret: it lives in an immutable Secret that goes with the session. */
async function storeLaunchUrl(context: StepContext, url: Secret<string>): Promise<void> {
  const { name, namespace, uid } = context.session.metadata;
  const secret = {
    metadata: {
      name: launchSecretName(name), ...(namespace === undefined ? {} : { namespace }), labels: { [LABELS.managedBy]: MANAGER, [LABELS.sessionUid]: uid },
      ownerReferences: [{ apiVersion: API_VERSION, kind: LABLET_SESSIONS.kind, name, uid, controller: true }],
    },
    immutable: true,
    stringData: { login_url: url.reveal() },
  };
  const { client } = context.deps;
  try {
    await client.create(SECRETS, secret, context.call());
  } catch (error) {
    if (!(error instanceof AlreadyExistsError)) throw error;
    const existing = await client.get(SECRETS, secret.metadata.name, namespace, context.call());
    // Its name follows from the session's: whoever may name a session must not have any Secret removed by that.
    if (!existing.metadata.ownerReferences?.some((owner) => owner.uid === uid)) {
      throw new PermanentStepError(`Secret ${namespace ?? ''}/${secret.metadata.name} exists and is not of this session: remove it, or book under another name`);
    }
    // Of an earlier attempt, with another URL: immutable, hence made anew.
    await client.delete(SECRETS, secret.metadata.name, namespace, { ...context.call(), preconditions: { uid: existing.metadata.uid } });
    await client.create(SECRETS, secret, context.call());
  }
}

/** LDS ends the candidate's page. Where it cannot, the session asks again after its end (`lds-release.ts`). */
export const deregisterLds: Step = async (context) => {
  const { deps } = context;
  if (!holdsPage(deps, context.status)) return stepSkipped('no page in LDS');
  await releasePage(deps, context.status, context.call());
  context.record((draft) => noteReleased(draft, deps.clock.now()));
  return stepDone();
};
