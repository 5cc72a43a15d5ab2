/** Commands that ask something of sessions: extend, end, cancel, regrade, release, start, pause, resume. */
import { createInterface } from 'node:readline/promises';
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { getCondition } from '../../core/conditions.ts';
import { CliError, EXIT, failureOf } from '../errors.ts';
import { pinnedOf, sessionNamed } from '../read.ts';
import { cancel, end, extend, losesWork, pause, regrade, release, resume, start, told } from '../views/acts.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Context } from '../context.ts';
import type { Act, Extension } from '../views/acts.ts';

/** What a command did, for scripts. */
export interface Done {
  session: string;
  changed: boolean;
  action: string;
}

const ACTS = { end, regrade, release, start, pause, resume } as const satisfies Record<string, (session: LabletSession) => Act>;
export type ActName = keyof typeof ACTS;

const doneLines = (done: readonly Done[]): string[] => done.map(({ action }) => action);

export const act = (context: Context, what: ActName, names: readonly string[]): Promise<void> => each(context, names, ACTS[what]);

export async function cancelSessions(context: Context, names: readonly string[], { force = false, yes = false }: { force?: boolean; yes?: boolean }): Promise<void> {
  await each(context, names, async (session) => {
    if (!yes && (force || losesWork(session))) await confirm(`${session.metadata.name} is ${session.status?.phase ?? 'New'}: ${force ? 'ending it by force' : 'cancelling it'} gives up what is not graded yet. To end it with a grade: kubectl lablet end ${session.metadata.name}`);
    return cancel(session, { force });
  });
}

/** Every session is tried; the first failure decides how the command ends. */
async function each(context: Context, names: readonly string[], decide: (session: LabletSession) => Act | Promise<Act>): Promise<void> {
  const done: Done[] = [];
  const failures: { exitCode: number; message: string }[] = [];
  for (const name of names) {
    try {
      const session = await sessionNamed(context, name);
      const { patch, done: action } = await decide(session);
      if (patch) await send(context, session, patch);
      done.push({ session: `${session.metadata.namespace ?? ''}/${session.metadata.name}`, changed: patch !== undefined, action });
    } catch (error) {
      if (names.length === 1) throw error;
      failures.push(failureOf(error, context.server));
    }
  }
  context.show(done, doneLines);
  const [first] = failures;
  if (first) throw new CliError(first.exitCode, failures.map(({ message }) => message).join('\n'));
}

/** Only the very object that was looked at: a new one of its name is another session. */
function send({ client }: Context, { metadata: { name, namespace, uid } }: LabletSession, patch: NonNullable<Act['patch']>): Promise<LabletSession> {
  return client.mergePatch(LABLET_SESSIONS, name, namespace, { ...patch, metadata: { ...patch.metadata, uid } });
}

async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY) throw new CliError(EXIT.usage, `${question}\nTo do it all the same: --yes`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question}\nGo on? [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new CliError(EXIT.usage, 'Nothing was done.');
  } finally {
    terminal.close();
  }
}

export interface ExtendDone extends Done {
  /** The end in force now. */
  end?: string;
  granted?: boolean;
}

const POLL = 300;

/** Asks for a later end, and waits for what the controller says to it. @param wait milliseconds; 0: not at all */
export async function extendSession(context: Context, name: string, wanted: Extension, wait: number): Promise<void> {
  const session = await sessionNamed(context, name);
  const key = `${session.metadata.namespace ?? ''}/${session.metadata.name}`;
  const { patch, done, end: asked } = extend(session, wanted, await pinnedOf(context, session));
  if (!patch) {
    context.show<ExtendDone>({ session: key, changed: false, action: done, end: asked, granted: true }, ({ action }) => [action]);
    return;
  }
  const sent = await send(context, session, patch);
  const answer = wait > 0 ? await answered(context, sent, asked, wait) : undefined;
  if (answer?.granted) context.show<ExtendDone>({ session: key, changed: true, action: `${session.metadata.name} ends at ${told(asked)} now.`, end: asked, granted: true }, ({ action }) => [action]);
  else if (answer) throw new CliError(EXIT.refused, `${session.metadata.name} still ends at ${told(session.status?.timeslot?.end ?? '')}: ${answer.message}`);
  else if (wait > 0) throw new CliError(EXIT.unanswered, `${done} No controller has answered yet; see kubectl lablet why ${session.metadata.name} -n ${session.metadata.namespace ?? ''}`);
  else context.show<ExtendDone>({ session: key, changed: true, action: done, end: asked }, ({ action }) => [action]);
}

async function answered({ client }: Context, { metadata: { name, namespace, generation = 0 } }: LabletSession, asked: string, wait: number): Promise<{ granted: boolean; message: string } | undefined> {
  for (const until = Date.now() + wait; Date.now() < until; await new Promise((go) => setTimeout(go, POLL))) {
    const { status } = await client.get(LABLET_SESSIONS, name, namespace);
    if (Date.parse(status?.timeslot?.end ?? '') >= Date.parse(asked)) return { granted: true, message: '' };
    const admitted = getCondition(status, 'Admitted');
    if (admitted?.reason === 'ExtensionRefused' && (admitted.observedGeneration ?? 0) >= generation) return { granted: false, message: admitted.message ?? 'the extension was refused.' };
  }
  return undefined;
}
