/** The nodes that the tests of the chart run pods on: what a pod may rely on there. See docs/testing.md, "Nodes". */
import { globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { isAlive } from '../../hack/cluster/lock.ts';
import { imageOf } from '../../hack/node/images.ts';
import { nodePrograms, startNodes, type Nodes } from '../../hack/node/nodes.ts';
import { testBinaries, testCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithNodes } from '../support/nodes.ts';

const BUILD_MS = 1_200_000;
const IMAGE = 'registry.example.org/exams/anything:node-test';

interface Container {
  readonly ready: boolean;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly state: { readonly running?: object; readonly terminated?: { readonly exitCode: number } };
  readonly lastState: { readonly terminated?: { readonly exitCode: number } };
}

describeWithNodes('what pods may rely on is')('a pod on a node of the tests', () => {
  const cluster = testCluster();
  const { kubectl, kubeconfigPath, server } = cluster;
  let nodes: Nodes;
  let directory = '';
  let namespace = '';

  beforeAll(async () => {
    const say = (line: string): void => void process.stderr.write(`${line}\n`);
    directory = await mkdtemp(join(tmpdir(), 'lablet-node-'));
    const { leash } = await testBinaries(say);
    // Any file will do for the program: these pods bring commands of their own.
    nodes = await startNodes({ programs: await nodePrograms(process.env, say), leash, kubeconfigPath, directory, images: { 'node-test': imageOf(import.meta.filename) }, count: 1 });
    namespace = await cluster.freshNamespace('node');
    await kubectl(['create', 'secret', 'generic', 'login', `--namespace=${namespace}`, '--from-literal=password=secret']);
    await kubectl(['create', 'configmap', 'settings', `--namespace=${namespace}`, '--from-literal=colour=blue']);
    await eventually(() => kubectl(['get', 'serviceaccount', 'default', `--namespace=${namespace}`]));
  }, BUILD_MS);
  afterAll(async () => {
    await nodes.stop();
    await kubectl(['delete', 'node', '--all']);
    await kubectl(['delete', 'pods', '--all', `--namespace=${namespace}`, '--force', '--grace-period=0']);
    await rm(directory, { recursive: true, force: true });
  });

  /** Runs a script in our image. */
  async function run(name: string, script: string, container: object = {}, spec: object = {}): Promise<void> {
    const pod = {
      apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: { team: 'exams' } },
      spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [{ name: 'main', image: IMAGE, command: ['node', '--eval', script], ...container }], ...spec },
    };
    await kubectl(['create', '--filename=-'], JSON.stringify(pod));
  }

  async function container(name: string): Promise<Container> {
    const { status } = JSON.parse(await kubectl(['get', 'pod', name, `--namespace=${namespace}`, '--output=json'])) as { status: { containerStatuses?: [Container] } };
    if (status.containerStatuses === undefined) throw new Error(`${name} has no status yet`);
    return status.containerStatuses[0];
  }

  const until = (name: string, holds: (status: Container) => boolean): Promise<Container> =>
    eventually(async () => {
      const status = await container(name);
      if (!holds(status)) throw new Error(`${name}: ${JSON.stringify(status)}`);
      return status;
    });
  const logged = (name: string): Promise<string> => kubectl(['logs', name, `--namespace=${namespace}`]);

  test('has its environment, files, user and token, and sees nothing else of the machine', async () => {
    await run('looks-around', `
      const fs = require('node:fs'), os = require('node:os');
      const attempt = (act) => { try { act(); return 'done' } catch (error) { return error.code } };
      const token = fs.readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/token', 'utf8').split('.')[1];
      const { NAME, PASSWORD, COLOUR, GREETING, ADDRESS, LISTEN_HOST, TEAM, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
      console.log(JSON.stringify({
        NAME, PASSWORD, COLOUR, GREETING, TEAM, api: host + ':' + port, address: ADDRESS === LISTEN_HOST && ADDRESS, host: os.hostname(), cwd: process.cwd(),
        user: [process.getuid(), process.getgid(), process.getgroups().includes(2000)],
        secret: fs.readFileSync('/etc/login/password', 'utf8'), setting: fs.readFileSync('/etc/one/colour', 'utf8'), image: fs.existsSync('/app/lablet-controller.mjs'),
        root: attempt(() => fs.writeFileSync('/new', '')), secretFile: attempt(() => fs.writeFileSync('/etc/login/new', '')), scratch: attempt(() => fs.writeFileSync('/scratch/new', '')),
        machine: [${JSON.stringify(import.meta.dirname)}, '/bin/sh', '/usr/bin/env', '/root', '/home'].filter((path) => fs.existsSync(path)),
        processes: fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).length,
        subject: JSON.parse(Buffer.from(token, 'base64url')).sub,
      }));`, {
      securityContext: { readOnlyRootFilesystem: true },
      env: [
        { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'ADDRESS', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }, { name: 'TEAM', valueFrom: { fieldRef: { fieldPath: "metadata.labels['team']" } } },
        { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'login', key: 'password' } } }, { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
        { name: 'GREETING', value: 'from $(NAME), $(NOBODY)' },
      ],
      volumeMounts: [{ name: 'login', mountPath: '/etc/login' }, { name: 'settings', mountPath: '/etc/one/colour', subPath: 'colour' }, { name: 'scratch', mountPath: '/scratch' }],
    }, {
      securityContext: { runAsUser: 1234, runAsGroup: 1234, fsGroup: 2000 },
      volumes: [{ name: 'login', secret: { secretName: 'login', defaultMode: 0o400 } }, { name: 'settings', configMap: { name: 'settings' } }, { name: 'scratch', emptyDir: {} }],
    });
    await until('looks-around', ({ state }) => state.terminated !== undefined);
    const text = await logged('looks-around');
    expect(text).toMatch(/^\{/);
    expect(JSON.parse(text)).toEqual({
      NAME: 'looks-around', PASSWORD: 'secret', COLOUR: 'blue', TEAM: 'exams', GREETING: 'from looks-around, $(NOBODY)', api: new URL(server).host, address: expect.stringMatching(/^127\.0\.1\.\d+$/),
      host: 'looks-around', cwd: '/app', user: [1234, 1234, true], secret: 'secret', setting: 'blue', image: true, root: 'EROFS', secretFile: 'EROFS', scratch: 'done',
      machine: [], processes: 2, subject: `system:serviceaccount:${namespace}:default`,
    });
  });

  test('is started again when it fails, or when its probe says so, and is ready when its other probe says so', async () => {
    const spec = { restartPolicy: 'Always' };
    await run('fails', 'process.exit(3)', {}, spec);
    await run('hangs', 'setInterval(() => 0, 1000)', { livenessProbe: { exec: { command: ['node', '--eval', 'process.exit(1)'] }, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 10 } }, spec);
    await run('serves', "require('node:http').createServer((q, a) => a.end()).listen(8080, process.env.LISTEN_HOST)", { ports: [{ name: 'web', containerPort: 8080 }], readinessProbe: { httpGet: { path: '/', port: 'web' }, periodSeconds: 1 } }, spec);
    expect((await until('fails', ({ restartCount }) => restartCount > 1)).lastState.terminated?.exitCode).toBe(3);
    // Not "Failed", which would be for good.
    expect(await kubectl(['get', 'pod', 'fails', `--namespace=${namespace}`, '--output=jsonpath={.status.phase}'])).toBe('Running');
    // SIGTERM, as it has no handler for it.
    expect((await until('hangs', ({ restartCount }) => restartCount > 0)).lastState.terminated?.exitCode).toBe(143);
    expect((await until('serves', ({ ready }) => ready)).restartCount).toBe(0);
  });

  test('has its grace period to end, is killed after it, and is gone as soon as it has ended', async () => {
    const pod = (name: string, answer: string): Promise<void> => run(name, `process.on('SIGTERM', () => { console.log('told'); ${answer} }); setInterval(() => 0, 1000); console.log('here');`);
    await pod('obeys', "setTimeout(() => { console.log('bye'); process.exit(0) }, 100)");
    await pod('ignores', '');
    for (const name of ['obeys', 'ignores']) await eventually(async () => expect(await logged(name)).toBe('here\n'));
    await kubectl(['delete', 'pod', 'obeys', 'ignores', `--namespace=${namespace}`]);
    const [obeys, ignores] = ['obeys', 'ignores'].map((name) => globSync(`${namespace}_${name}_*/logs/main/0.log`, { cwd: nodes.directory })[0] ?? '');
    expect(await readFile(join(nodes.directory, obeys ?? ''), 'utf8')).toBe('here\ntold\nbye\n');
    expect(await readFile(join(nodes.directory, ignores ?? ''), 'utf8')).toBe('here\ntold\n');
  });

  test('does not outlive the node, however that ends', async () => {
    const { containerID = '' } = await until('serves', ({ state }) => state.running !== undefined);
    const pid = Number(containerID.replace('process://', ''));
    expect(isAlive(pid)).toBe(true);
    await nodes.stop();
    await eventually(() => expect(isAlive(pid)).toBe(false));
  });
});
