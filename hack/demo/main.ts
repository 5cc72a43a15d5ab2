/**
 * `make demo`: three candidates sit a lab on a real API server, from `kubectl apply` to their grades.
 * Exit code 0 only if phases, events and scores are what they must be. KEEP=1 leaves it all running until Ctrl-C.
 */
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { leashProgram } from '../cluster/binaries.ts';
import { resolveCluster } from '../cluster/choice.ts';
import { openCluster, type Cluster } from '../cluster/cluster.ts';
import { EXPECTED, NAMESPACE, SCRIPT } from './candidates.ts';
import { isSettled, problems } from './expect.ts';
import { refuseIfInUse, removeSamples } from './guest.ts';
import { countByType, createScreen } from './show.ts';
import { startStack, type Stack } from './stack.ts';

/** A demo takes half a minute; on a machine that is busy with other things it may take longer. */
const LIMIT_MS = 180_000;
const POLL_MS = 200;
/** Lines of the controller's log that are shown when something went wrong. */
const LOG_LINES = 15;
const CRDS = resolve(import.meta.dirname, '../../crds');

const screen = createScreen(process.stdout.isTTY && process.env['CI'] !== 'true');
const endings: (() => Promise<void>)[] = [];

/** Resolves with whether all came as expected; says what did not. */
async function demo(): Promise<boolean> {
  const isGuest = resolveCluster(process.env).kind === 'current';
  screen.say('1. A Kubernetes API server with the six kinds of lablet.dev');
  const leash = await leashProgram(process.env, screen.say);
  const cluster = await toBeStopped(openCluster(process.env, [CRDS], screen.say));
  if (isGuest) await refuseIfInUse(cluster.kubectl);
  screen.say(`   ${cluster.description}`);

  screen.say('2. Simulators of CML, LDS and GradingEngine, a sink for CloudEvents, and the controller with its ServiceAccount');
  const stack = await toBeStopped(startStack({ cluster, leash, world: { processes: true, bootDelay: '3s', script: SCRIPT } }));
  if (isGuest) endings.push(() => removeSamples(cluster.kubectl));
  const { world } = stack;
  screen.say(`   CML ${world.cml[0]?.url ?? ''} · LDS ${world.lds.url} · GradingEngine ${world.grading.url} · events in ${stack.controller.ingestUrl} · events out ${stack.sink.url}`);

  screen.say('3. kubectl apply -f config/samples: a host, a definition, and the sessions of Ada (passes), Grace (fails) and Linus (never shows up)');
  const stopShowing = screen.follow(stack.sessions, stack.sink.deliveries);
  endings.push(async () => stopShowing());
  await stack.applySamples();
  await settled(stack);
  stopShowing();

  screen.say('\n4. What came of it: kubectl get lses,lab,wrk,score -A\n');
  screen.say(await cluster.kubectl(['get', 'lses,lab,wrk,score', '--all-namespaces']));
  screen.say(`CloudEvents at the sink:\n${countByType(stack.sink.deliveries)}\n`);
  const found = problems(await stack.outcome(), EXPECTED);
  if (found.length > 0) process.stderr.write(`not as expected:\n${found.map((line) => `  ${line}\n`).join('')}${await endOfLog(stack)}`);
  else screen.say('as expected: Ada passed, Grace failed, Linus never came; every event arrived in order, and nothing is left on the host');
  if (process.env['KEEP'] === '1') await keep(cluster, stack);
  return found.length === 0;
}

/** Waits until every session has come to its end, or the time is over: what is missing then is said by the comparison. */
async function settled(stack: Stack): Promise<void> {
  const isDone = (): boolean => stack.sessions.list().length === EXPECTED.length && stack.sessions.list().every(isSettled);
  const died = stack.controller.exited.then(async (code) => {
    throw new Error(`the controller ended with exit code ${code}\n${await endOfLog(stack)}`);
  });
  const done = (async () => {
    for (const deadline = performance.now() + LIMIT_MS; !isDone() && performance.now() < deadline; ) await sleep(POLL_MS);
  })();
  await Promise.race([done, died]);
}

/** The log goes with the rest when the demo ends, so its end is shown where something went wrong. */
async function endOfLog({ controller }: Stack): Promise<string> {
  const lines = (await controller.log()).trimEnd().split('\n');
  return `the end of the controller's log:\n${lines.slice(-LOG_LINES).map((line) => `  ${line}\n`).join('')}`;
}

async function keep(cluster: Cluster, { controller, world }: Stack): Promise<void> {
  const another = `{"apiVersion":"lablet.dev/v1alpha1","kind":"LabletSession","metadata":{"name":"barbara","namespace":"${NAMESPACE}"},"spec":{"definitionRef":{"name":"campus-edge"},"owner":"barbara"}}`;
  screen.say(`All of it keeps running until Ctrl-C. In another terminal:

  export KUBECONFIG=${cluster.kubeconfigPath}${cluster.kubectlProgram.includes('/') ? `\n  export PATH=${dirname(cluster.kubectlProgram)}:$PATH` : ''}

  kubectl get lablet -A                                  # every object of ours
  kubectl -n ${NAMESPACE} describe lses ada                     # history, conditions, Events of a session
  kubectl explain labletsession.spec.timeslot            # the API documents itself

  # one more session, and its life as it happens
  echo '${another}' | kubectl apply -f -
  kubectl -n ${NAMESPACE} get lses barbara --watch

  curl -s ${controller.opsUrl}/metrics | grep ^lablet_  # what the controller measures
  curl -s ${world.cml[0]?.url ?? ''}/sim/labs            # what stands on the simulated CML host
  tail -f ${controller.logFile}
`);
  await new Promise<never>(() => undefined);
}

/** Sees to it that what is being started is stopped in the end, also when the end comes in the middle of the start. */
function toBeStopped<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  endings.push(async () => (await starting.catch(() => undefined))?.stop());
  return starting;
}

async function endAll(): Promise<void> {
  for (const end of endings.splice(0).reverse()) {
    await end().catch((error: unknown) => {
      process.stderr.write(`while cleaning up: ${error instanceof Error ? error.message : String(error)}\n`);
    });
  }
}

const interrupted = new AbortController();
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
  process.once(signal, () => {
    interrupted.abort();
    screen.say('\nstopping everything');
    void endAll().then(() => process.exit(code));
  });
}

try {
  const isAsExpected = await demo();
  await endAll();
  process.exitCode = isAsExpected ? 0 : 1;
} catch (error) {
  // What is being stopped complains; the signal has its own exit code.
  if (!interrupted.signal.aborted) {
    process.stderr.write(`the demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    await endAll();
    process.exitCode = 1;
  }
}
