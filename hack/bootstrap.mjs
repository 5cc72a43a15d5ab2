// Makes a fresh clone ready to work in: checks that the tools are there, installs the packages of package-lock.json if
// they are not installed yet, and with them Node 24. Runs on the system's Node (20 or later), hence plain JavaScript.
//
//   node hack/bootstrap.mjs [go] [python]     what else is needed
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const MODULES = join(ROOT, 'node_modules');
const LOCK = join(ROOT, '.bootstrap.lock');

const TOOLS = {
  git: { command: ['git', '--version'], atLeast: [2, 0], where: 'https://git-scm.com' },
  node: { command: ['node', '--version'], atLeast: [20, 0], where: 'https://nodejs.org' },
  npm: { command: ['npm', '--version'], atLeast: [9, 0], where: 'https://nodejs.org (it comes with Node)' },
  go: { command: ['go', 'env', 'GOVERSION'], atLeast: [1, 26], where: 'https://go.dev/dl; it builds the embedded control plane' },
  python: { command: ['python3', '-c', 'import sys, venv, ensurepip; print(sys.version)'], atLeast: [3, 11], where: 'https://python.org, with its venv module; the CML client and the AWS server that tests use are written in it' },
};

/** What is wrong with a tool, or undefined if it can be used. */
function complaint(name) {
  const { command, atLeast, where } = TOOLS[name];
  const wanted = `${name} ${atLeast.join('.')} or later is needed`;
  const ran = spawnSync(command[0], command.slice(1), { encoding: 'utf8' });
  if (ran.error !== undefined || ran.status !== 0) return `${wanted} and was not found: ${where}`;
  const found = /(\d+)\.(\d+)/.exec(ran.stdout);
  if (found === null) return `${wanted}; this one does not tell its version: ${ran.stdout.trim()}`;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  const enough = major > atLeast[0] || (major === atLeast[0] && minor >= atLeast[1]);
  return enough ? undefined : `${wanted}, found ${major}.${minor}: ${where}`;
}

/** Whether node_modules holds what package-lock.json says; packages for other platforms may be absent. */
function isInstalled() {
  const installedFile = join(MODULES, '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const locked = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(locked).every(([path, wanted]) => path === '' || (installed[path] === undefined ? wanted.optional === true : installed[path].version === wanted.version));
}

function hasNode24() {
  const ran = spawnSync(join(MODULES, '.bin/node'), ['--version'], { encoding: 'utf8' });
  return ran.status === 0 && ran.stdout.startsWith('v24.');
}

// npm replaces node_modules: it must not itself run on the Node that lies there.
const systemPath = { ...process.env, PATH: (process.env.PATH ?? '').split(':').filter((entry) => !entry.startsWith(MODULES)).join(':') };

function install() {
  process.stderr.write('installing the packages of package-lock.json\n');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT, env: systemPath, stdio: ['ignore', 2, 2] });
}

/** The package `node` fetches the program in an install script, which npm does not run where scripts are switched off. */
function fetchNode24() {
  process.stderr.write('installing Node 24 for this project\n');
  execFileSync('npm', ['rebuild', 'node', '--ignore-scripts=false', '--loglevel=error'], { cwd: ROOT, env: systemPath, stdio: ['ignore', 2, 2] });
}

/** Two runs that start side by side in a fresh clone must not install into the same folder at the same time. */
async function underLock(work) {
  for (;;) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!holderIsAlive()) rmSync(LOCK, { force: true });
    await sleep(300);
  }
  try {
    work();
  } finally {
    rmSync(LOCK, { force: true });
  }
}

function holderIsAlive() {
  try {
    const pid = Number(readFileSync(LOCK, 'utf8'));
    return pid === 0 || process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Everything in order; throws an Error whose message says what to do. */
async function bootstrap(alsoNeeded) {
  const complaints = ['git', 'node', 'npm', ...alsoNeeded].map(complaint).filter((text) => text !== undefined);
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
  if (isInstalled() && hasNode24()) return;
  await underLock(() => {
    if (!isInstalled()) install();
    if (!hasNode24()) fetchNode24();
    if (!hasNode24()) throw new Error(`node_modules/.bin/node is not Node 24: remove ${MODULES} and try again`);
  });
}

try {
  await bootstrap(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
