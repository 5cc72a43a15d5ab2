/**
 * A short life of an installation with everything switched on, among careless neighbours: recognisable secrets in every
 * place for one, services that repeat them in their errors, and somebody who writes to our objects all the time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MANAGER } from '../../src/api/group.ts';
import { SYSTEM_NAMESPACE } from '../../src/api/rbac.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { leashProgram } from '../../hack/cluster/binaries.ts';
import { startSink } from '../../hack/demo/sink.ts';
import { startStack, type Stack } from '../../hack/demo/stack.ts';
import { privateControlPlane } from './cluster.ts';
import { startEc2 } from './ec2.ts';
import { TOPOLOGY } from './objects.ts';
import { startParrot, type Parrot } from './parrot.ts';
import { clock } from './scenario.ts';
import { json, startScriptedServer } from './scripted-server.ts';
import { furnish, NAMESPACE, PLANTED, prepare, tokensOf } from './security-objects.ts';
import type { ControlPlane } from '../../hack/cluster/controlplane.ts';
import type { Delivery } from '../../hack/demo/sink.ts';

export const CONTROLLER = `system:serviceaccount:${SYSTEM_NAMESPACE}:${MANAGER}`;
/** What senders ask their tokens for. */
const AUDIENCE = 'lablet-ingest';
const SCALE = 100;

export interface SecurityWorld {
  readonly stack: Stack;
  readonly controlPlane: ControlPlane;
  readonly client: KubeClient;
  /** Everything that repeats what it was sent: the first of some calls to each system, each event, each login of one host. */
  readonly parrots: Readonly<Record<'cml' | 'lds' | 'grading' | 'sink' | 'host', Parrot>>;
  /** What the collector of traces was sent. */
  collected(): string;
  /** At the sink that takes everything. */
  readonly deliveries: readonly Delivery[];
  /** Folder of archive and evidence. */
  readonly files: string;
  /** Real tokens: of a sender of events, and of a reader of archive and page. */
  readonly tokens: Readonly<Record<'sender' | 'reader', string>>;
  stop(): Promise<void>;
}

/** Starts it; the controller waits for the lease of a predecessor first, and is ready then. */
export async function startSecurityWorld(): Promise<SecurityWorld> {
  const endings: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of endings.splice(0).reverse()) await end();
  };
  const ending = <T extends { close(): Promise<unknown> }>(it: T): T => {
    endings.push(() => it.close());
    return it;
  };
  try {
    const firstRefused = async (statuses: Readonly<Record<string, number>>): Promise<Parrot> => ending(await startParrot({ refuse: (call, nth) => (nth === 1 ? statuses[call] : undefined) }));
    const [cml, lds, grading] = await Promise.all([
      firstRefused({ 'POST /api/v0/authenticate': 403, 'POST /api/v0/auth_extended': 403, 'POST /api/v0/licensing/registration': 409, 'PUT /api/v0/labs/:id/start': 400 }),
      firstRefused({ 'POST /reservations/v3/lab_session': 400, 'PUT /reservations/v3/lab_session/:id/part/1/devices': 400 }),
      firstRefused({ 'POST /oauth/token': 400, 'POST /api/v1/sessions': 400 }),
    ]);
    // A sink that never takes anything, and is never at a loss for words.
    const sink = ending(await startParrot({ refuse: (_, nth) => (nth <= 2 ? 500 : 401) }));
    const taker = ending(await startSink());
    const host = ending(await startParrot({ refuse: (call) => (call.endsWith('/system_information') ? undefined : 403) }));
    const collector = ending(await startScriptedServer([json({})]));
    const topologies = ending(await startScriptedServer([(response) => response.writeHead(200).end(TOPOLOGY)]));
    const files = await mkdtemp(join(tmpdir(), 'lablet-security-'));
    endings.push(() => rm(files, { recursive: true, force: true }));

    // Both take some seconds. Lists that are streamed need no right to list; an API server without them, or a watch that has fallen behind, does.
    const ec2Starts = startEc2({ transitionMs: 100, timeScale: SCALE, cml: { password: PLANTED.login, license: 'enterprise' } }).then(ending);
    const controlPlane = await privateControlPlane({ watchList: false });
    endings.push(() => controlPlane.stop());
    const client = ending(new KubeClient(await loadConnection({ kubeconfig: controlPlane.kubeconfigPath })));
    await prepare(controlPlane, client);
    const [tokens, ec2] = await Promise.all([tokensOf(controlPlane, AUDIENCE), ec2Starts]);
    const password = encodeURIComponent(PLANTED.sinkPassword).replace('%40', '@');
    const where = new URL(sink.url).host;
    const stack = await startStack({
      cluster: controlPlane,
      leash: await leashProgram(process.env, () => undefined),
      world: { scale: SCALE, password: PLANTED.login, cmlOptions: { license: 'none', registrationMs: 100 }, script: { lds: [{ candidate: '*', startAfter: '10s', endAfter: '20s' }], grading: [{ candidate: '*', after: '10s' }] } },
      environment: {
        ...clock(SCALE), LOG_LEVEL: 'trace',
        TIMEOUTS: 'provisioning=4h,pendingAsap=4h,park=10s,historyTtl=5m,archiveTtl=1m,labRetention=4h',
        LDS_URL: lds.url, GRADING_ENGINE_URL: grading.url, GRADING_TOKEN_URL: `${grading.url}/oauth/token`,
        CLOUDEVENTS_SINK_URL: `${taker.url},http://user:${password}@${where}/?token=${PLANTED.sinkQuery}`,
        CLOUDEVENTS_DEAD_LETTER_URL: `eventgrid+http://${where}/api/events`, EVENTGRID_KEY: PLANTED.eventGridKey,
        ARCHIVE_URL: pathToFileURL(join(files, 'archive')).href, EVIDENCE_URL: pathToFileURL(join(files, 'evidence')).href,
        TOPOLOGY_ALLOW_HOSTS: '127.0.0.1', SCALE_DOWN: 'enabled', WEB_PAGE: 'enabled',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${PLANTED.collectorToken}`,
        INGEST_AUTH: 'token', INGEST_AUDIENCE: AUDIENCE, INGEST_ALLOWED_SUBJECTS: `system:serviceaccount:${NAMESPACE}:sender`,
        AWS_ENDPOINT_URL_EC2: ec2.url, AWS_ACCESS_KEY_ID: 'AKIAPLANTED000000000', AWS_SECRET_ACCESS_KEY: PLANTED.awsKey,
      },
    });
    endings.push(() => stack.stop());
    for (const parrot of [cml, host]) parrot.forwardTo(stack.world.cml[0]?.url ?? '');
    lds.forwardTo(stack.world.lds.url);
    grading.forwardTo(stack.world.grading.url);
    await stack.world.sendEventsTo(`${stack.controller.ingestUrl}?access_token=${tokens.sender}`);
    await furnish(client, { cml: cml.url, parrot: host.url, wrong: stack.world.cml[0]?.url ?? '', topology: `${topologies.url}/edge.yaml`, cmlPort: ec2.cmlPort });
    return { stack, controlPlane, client, files, tokens, deliveries: taker.deliveries, collected: () => collector.received.map(({ body }) => body).join('\n'), parrots: { cml, lds, grading, sink, host }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
