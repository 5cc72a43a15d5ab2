import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { resolveCluster } from './choice.ts';
import { binariesFor, openCluster } from './cluster.ts';
import { isAlive, withLock } from './lock.ts';
import { nodeCount, prepareNodes, startClusterNodes, TREE_TAG } from './with-nodes.ts';

const run = promisify(execFile);

// A cluster that stays in the background between `up` and `down`, described by the files in .cluster/.
const ROOT = resolve(import.meta.dirname, '../..');
const DIRECTORY = join(ROOT, '.cluster');
const KUBECONFIG = join(DIRECTORY, 'kubeconfig');
const PID_FILE = join(DIRECTORY, 'pid');
const LOG_FILE = join(DIRECTORY, 'cluster.log');
/** For a shell: `source .cluster/env`. */
const ENV_FILE = join(DIRECTORY, 'env');
const CRDS = join(ROOT, 'crds');

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The process id of the cluster in the background, if there is one. */
async function background(): Promise<number | undefined> {
  const pid = Number(await readFile(PID_FILE, 'utf8').catch(() => ''));
  if (pid === 0 || !isAlive(pid)) return undefined;
  // After a crash the file may name a process of somebody else.
  const command = await run('ps', ['-p', String(pid), '-o', 'args=']).catch(() => ({ stdout: '' }));
  return command.stdout.includes(import.meta.filename) ? pid : undefined;
}

async function up(): Promise<void> {
  const choice = resolveCluster(process.env);
  if (choice.kind === 'current') {
    say('CLUSTER=current is your own cluster: there is nothing to start');
    return;
  }
  const programs = nodeCount(process.env, choice) > 0 && choice.kind !== 'kind' ? await prepareNodes(choice, process.env, say) : [];
  await mkdir(DIRECTORY, { recursive: true });
  const waiting = (): void => say('another process is starting it: waiting');
  await withLock(join(DIRECTORY, 'lock'), waiting, async () => {
    if ((await background()) !== undefined) {
      say('the cluster is already running');
      return;
    }
    if (choice.kind !== 'kind') await binariesFor(choice, process.env, say);
    await startBackground();
  });
  const lines = [`export KUBECONFIG=${KUBECONFIG}`, ...(programs.length === 0 ? [] : [`export PATH=$PATH:${programs.join(':')}`])];
  await writeFile(ENV_FILE, lines.map((line) => `${line}\n`).join(''));
  say(`\n  source ${relative(process.cwd(), ENV_FILE)}\n  kubectl get ${programs.length === 0 ? 'crds' : 'nodes'}\n`);
  if (programs.length > 0) say(`Pods run the image lablet-controller:${TREE_TAG}, which is the program as this tree has it now.`);
  say(`make cluster-down ends it; what it says goes to ${relative(process.cwd(), LOG_FILE)}`);
}

async function startBackground(): Promise<void> {
  const log = openSync(LOG_FILE, 'w');
  const child = spawn(process.execPath, [import.meta.filename, 'serve'], { detached: true, stdio: ['ignore', log, log, 'ipc'] });
  const ended = once(child, 'exit').then(() => false);
  const ready = once(child, 'message').then(() => true);
  if (!(await Promise.race([ready, ended]))) throw new Error(`the cluster did not start:\n${await readFile(LOG_FILE, 'utf8')}`);
  child.disconnect();
  child.unref();
}

async function down(): Promise<void> {
  const pid = await background();
  if (pid === undefined) {
    say('no cluster is running');
    return;
  }
  process.kill(pid, 'SIGTERM');
  while (isAlive(pid)) await sleep(50);
  say('the cluster has ended');
}

/** The process in the background: holds the cluster until it is told to end. */
async function serve(): Promise<void> {
  const told = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const count = nodeCount(process.env, resolveCluster(process.env));
  // With nodes it is for Helm, whose chart brings the kinds.
  const cluster = await openCluster(process.env, count === 0 && existsSync(CRDS) ? [CRDS] : [], say);
  const nodes = count === 0 ? undefined : await startClusterNodes({ kubeconfigPath: cluster.kubeconfigPath, count, directory: DIRECTORY, env: process.env, report: say });
  await copyFile(cluster.kubeconfigPath, KUBECONFIG);
  await writeFile(PID_FILE, String(process.pid));
  say(`running ${cluster.description}`);
  process.send?.('ready');
  const keepAlive = setInterval(() => undefined, 3_600_000);
  await told;
  clearInterval(keepAlive);
  await nodes?.stop();
  await cluster.stop();
  await Promise.all([KUBECONFIG, PID_FILE, ENV_FILE].map((file) => rm(file, { force: true })));
}

const program = new Command('cluster').description('a cluster for development');
program.command('up').description('start it in the background and write .cluster/kubeconfig').action(up);
program.command('down').description('end it').action(down);
program.command('serve').description('run it in the foreground').action(serve);
try {
  await program.parseAsync();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
