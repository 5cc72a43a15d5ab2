/** The scene of plain `make demo`: three candidates sit a lab on a real API server, from `kubectl apply` to their grades. */
import { dirname } from 'node:path';
import { resolveCluster } from '../cluster/choice.ts';
import { EXPECTED, NAMESPACE, SCRIPT } from './candidates.ts';
import { isSettled, problems } from './expect.ts';
import { refuseIfInUse, removeSamples } from './guest.ts';
import { countByType } from './show.ts';
import { endOfLog, waitUntil } from './stage.ts';
import { startStack, type Stack } from './stack.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Scene, Stage } from './stage.ts';

/** A demo takes half a minute; on a machine that is busy with other things it may take longer. */
const LIMIT_MS = 180_000;

/** Three candidates: one passes, one fails, one never comes. */
export const exam: Scene = async (stage) => {
  const { screen } = stage;
  const isGuest = resolveCluster(process.env).kind === 'current';
  screen.say('1. A Kubernetes API server with the six kinds of lablet.dev');
  const { leash, cluster } = await stage.openCluster();
  if (isGuest) await refuseIfInUse(cluster.kubectl);
  screen.say(`   ${cluster.description}`);

  screen.say('2. Simulators of CML, LDS and GradingEngine, a sink for CloudEvents, and the controller with its ServiceAccount');
  const stack = await stage.toBeStopped(startStack({ cluster, leash, world: { processes: true, bootDelay: '3s', script: SCRIPT } }));
  if (isGuest) stage.atEnd(() => removeSamples(cluster.kubectl));
  const { world } = stack;
  screen.say(`   CML ${world.cml[0]?.url ?? ''} · LDS ${world.lds.url} · GradingEngine ${world.grading.url} · events in ${stack.controller.ingestUrl} · events out ${stack.sink.url}`);

  screen.say('3. kubectl apply -f config/samples: a host, a definition, and the sessions of Ada (passes), Grace (fails) and Linus (never shows up)');
  const stopShowing = screen.follow(stack.sessions, stack.sink.deliveries);
  stage.atEnd(async () => stopShowing());
  await stack.applySamples();
  const isDone = (): boolean => stack.sessions.list().length === EXPECTED.length && stack.sessions.list().every(isSettled);
  // What is missing when the time is over is said by the comparison.
  await waitUntil(stack, isDone, LIMIT_MS);
  stopShowing();

  screen.say('\n4. What came of it: kubectl get lses,lab,wrk,score -A\n');
  screen.say(await cluster.kubectl(['get', 'lses,lab,wrk,score', '--all-namespaces']));
  screen.say(`CloudEvents at the sink:\n${countByType(stack.sink.deliveries)}\n`);
  const found = problems(await stack.outcome(), EXPECTED);
  if (found.length > 0) process.stderr.write(`not as expected:\n${found.map((line) => `  ${line}\n`).join('')}${await endOfLog(stack)}`);
  else screen.say('as expected: Ada passed, Grace failed, Linus never came; every event arrived in order, and nothing is left on the host');
  if (process.env['KEEP'] === '1') await keep(stage, cluster, stack);
  return found.length === 0;
};

async function keep({ screen }: Stage, cluster: Cluster, { controller, world }: Stack): Promise<void> {
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
