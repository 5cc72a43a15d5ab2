/**
 * The scene of `make demo SCENE=fleet`: sixty bookings, and a fleet on a stand-in of EC2 that comes for them and goes
 * again, with a person who drains a worker, and an instance that somebody terminates. A minute takes a second.
 */
import { WORKERS } from '../../src/api/kinds.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadConnection } from '../../src/kube/kubeconfig.ts';
import { resolveCluster } from '../cluster/choice.ts';
import { follow } from '../cluster/follow.ts';
import { isSettled } from './expect.ts';
import { startEc2, type Ec2 } from './fleet-ec2.ts';
import { fleetProblems, isOver, wasLost, wasMoved, type Blow } from './fleet-expect.ts';
import { bookings, DEFINITION, ENVIRONMENT, FULL_FLEET, MAX_WORKERS, SCALE, SCRIPT, SESSIONS, templates } from './fleet-plan.ts';
import { costOf, fleetTable, followDecisions, sessionsByPhase, sessionsOn, summaryLine, type FleetView } from './fleet-show.ts';
import { countByType } from './show.ts';
import { endOfLog, waitUntil, type Scene, type Stage } from './stage.ts';
import { startStack, type Stack } from './stack.ts';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { Worker } from '../../src/api/worker.ts';
import type { Informer } from '../../src/kube/informer.ts';
import type { Kubectl } from '../cluster/kubectl.ts';

/** It takes less than two minutes; on a machine that is busy with other things it may take longer. */
const LIMIT_MS = 300_000;
/** Without a terminal, the numbers are told so often. */
const TELL_MS = 5_000;
/** Longest wait for a worker on which some have begun and some have not. */
const PICK_MS = 15_000;

/** Sixty bookings on workers that come and go. */
export const fleet: Scene = async (stage) => {
  const { screen } = stage;
  if (resolveCluster(process.env).kind === 'current') throw new Error('SCENE=fleet makes workers for a cluster of its own: leave CLUSTER unset');
  screen.say('1. A Kubernetes API server, a stand-in of EC2 whose instances serve simulated CMLs, LDS, GradingEngine, a sink, and the controller');
  const { leash, cluster } = await stage.openCluster();
  const ec2 = await stage.toBeStopped(startEc2());
  const stack = await stage.toBeStopped(startStack({ cluster, leash, world: { processes: true, cml: 0, scale: SCALE, script: SCRIPT }, environment: { ...ENVIRONMENT, ...ec2.environment } }));
  const workers = await followWorkers(stage, cluster.kubeconfigPath);

  screen.say(`2. ${SESSIONS} bookings, no worker, two templates, and at most ${MAX_WORKERS} workers. A minute takes a second`);
  const apply = (...items: object[]): Promise<string> => cluster.kubectl(['apply', '--filename=-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await stack.applySamples('{10,20,40}-*.yaml');
  await apply(...templates(ec2.cmlPort), DEFINITION);
  await cluster.kubectl(['wait', 'labletdefinition', DEFINITION.metadata.name, `--namespace=${DEFINITION.metadata.namespace}`, '--for=condition=Ready', '--timeout=60s']);
  const began = new Date();
  await apply(...bookings(began));
  const { view, stop } = show(stage, stack, workers.informer, began);

  const drained = await drain(stack, view, cluster.kubectl, screen.say);
  const dead = await strike(stack, view, ec2, screen.say);
  const isDone = (): boolean => stack.sessions.list().length === SESSIONS && stack.sessions.list().every(isSettled)
    && workers.informer.list().every(({ status }) => isOver(status?.phase) && (status?.outbox ?? []).length === 0);
  await waitUntil(stack, isDone, LIMIT_MS);
  stop();

  const { sessions, deliveries } = await stack.outcome();
  const machines = await ec2.machines();
  screen.say(`\n3. What came of it: kubectl get wrk,wtpl\n\n${await cluster.kubectl(['get', 'workers,workertemplates'])}`);
  screen.say(summary(view(), sessions, workers.peak()));
  screen.say(`CloudEvents at the sink:\n${countByType(deliveries)}\n`);
  const found = fleetProblems({ sessions, deliveries, machines, workers: workers.informer.list(), peak: workers.peak(), drained, dead });
  if (found.length > 0) process.stderr.write(`not as expected:\n${found.map((line) => `  ${line}\n`).join('')}${await endOfLog(stack)}`);
  else screen.say('as expected: every session ended as it had to, every event arrived in order, and no instance is left running');
  return found.length === 0;
};

/** The workers as the API server has them, and how many there were at most. */
async function followWorkers(stage: Stage, kubeconfig: string): Promise<{ informer: Informer<Worker>; peak: () => number }> {
  const client = new KubeClient(await loadConnection({ kubeconfig }));
  stage.atEnd(() => client.close());
  const informer = await follow(client, WORKERS, (ending) => stage.atEnd(ending));
  let peak = 0;
  informer.onChange(() => {
    peak = Math.max(peak, informer.list().filter(({ status }) => status?.phase !== 'Terminated' && status?.phase !== 'Failed').length);
  });
  return { informer, peak: () => peak };
}

/** On a terminal a table, else a line for each decision and each change of a worker, and the numbers now and then. */
function show(stage: Stage, { controller, sessions }: Stack, workers: Informer<Worker>, began: Date): { view: () => FleetView; stop: () => void } {
  const { screen } = stage;
  const decisions: string[] = [];
  const view = (): FleetView => ({ workers: workers.list(), sessions: sessions.list(), decisions, began, now: new Date() });
  const stopDecisions = followDecisions(controller.logFile, (line) => {
    decisions.push(line);
    if (!screen.live) screen.say(`  ${line}`);
  });
  const stopDrawing = screen.keepDrawn(() => fleetTable(view()));
  const timer = screen.live ? undefined : setInterval(() => screen.say(summaryLine(view())), TELL_MS);
  const stop = (): void => {
    stopDecisions();
    stopDrawing();
    clearInterval(timer);
  };
  stage.atEnd(async () => stop());
  return { view, stop };
}

const isRunning = ({ status }: LabletSession): boolean => status?.phase === 'Running';

const hasBegun = ({ status }: LabletSession): boolean => status?.phase !== 'Scheduled' && status?.phase !== 'Instantiating';

interface Occupied {
  readonly worker: Worker;
  readonly on: readonly LabletSession[];
  /** The smaller of the numbers of those that have begun, and of those that have not. */
  readonly mixed: number;
}

/** The worker of the template on which most have begun and most have not: what happens to it is seen from both sides. */
function inFullSwing({ workers, sessions }: FleetView, template: string): Occupied | undefined {
  const candidates = workers.filter(({ spec, status }) => spec.templateName === template && status?.phase === 'Running').map((worker): Occupied => {
    const on = sessionsOn(worker.metadata.name, sessions);
    return { worker, on, mixed: Math.min(on.filter(hasBegun).length, on.filter((session) => !hasBegun(session)).length) };
  });
  return candidates.sort((a, b) => b.mixed - a.mixed || b.on.length - a.on.length)[0];
}

/** Waits for a worker of the template in full swing, once the wave has begun; the fullest, where there is none for long. */
async function pick(stack: Stack, view: () => FleetView, template: string, running: number): Promise<Occupied | undefined> {
  await waitUntil(stack, () => view().sessions.filter(isRunning).length >= running, LIMIT_MS);
  await waitUntil(stack, () => (inFullSwing(view(), template)?.mixed ?? 0) >= 2, PICK_MS);
  return inFullSwing(view(), template);
}

/** A person has a worker stopped: who has begun finishes there, the others move. */
async function drain(stack: Stack, view: () => FleetView, kubectl: Kubectl, say: (line: string) => void): Promise<Blow | undefined> {
  const found = await pick(stack, view, 'metal', 4);
  if (!found) return undefined;
  const { name } = found.worker.metadata;
  say(`> kubectl patch worker ${name} --type=merge --patch='{"spec":{"desiredState":"Stopped"}}'     with on it: ${sessionsByPhase(found.on)}`);
  await kubectl(['patch', 'worker', name, '--type=merge', '--patch={"spec":{"desiredState":"Stopped"}}']);
  return { worker: name, sessions: found.on.map(({ metadata }) => metadata.name) };
}

/** A little later, somebody terminates an instance in the console of AWS. */
async function strike(stack: Stack, view: () => FleetView, ec2: Ec2, say: (line: string) => void): Promise<Blow | undefined> {
  const found = await pick(stack, view, 'large', 10);
  const id = found?.worker.status?.instanceId;
  if (!found || id === undefined) return undefined;
  const { name } = found.worker.metadata;
  say(`> somebody terminates instance ${id} of worker ${name}     with on it: ${sessionsByPhase(found.on)}`);
  await ec2.terminate(id);
  return { worker: name, sessions: found.on.map(({ metadata }) => metadata.name) };
}

function summary({ workers, began, now }: FleetView, sessions: readonly LabletSession[], peak: number): string {
  const ready = sessions.filter(({ status }) => status?.readyAt !== undefined);
  const onTime = ready.filter(({ spec, status }) => new Date(status?.readyAt ?? 0) <= new Date(spec.timeslot?.start ?? 0));
  const hours = ((now.getTime() - began.getTime()) * SCALE) / 3_600_000;
  return [
    `sessions   ${sessionsByPhase(sessions)}; ${onTime.length} ready before their start, ${sessions.filter(wasMoved).length} moved to another worker, ${sessions.filter(wasLost).length} lost with theirs`,
    `workers    ${workers.length} made, at most ${peak} at a time`,
    `cost       ${costOf(workers, now).toFixed(2)} USD for ${hours.toFixed(1)} h; all ${MAX_WORKERS} workers all the time: ${(FULL_FLEET * hours).toFixed(2)} USD\n`,
  ].join('\n');
}
