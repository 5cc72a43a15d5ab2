/** `kubectl lablet events`: the CloudEvents of a session, or of all; once, or as they come. */
import { LABLET_SESSIONS } from '../../api/kinds.ts';
import { Informer } from '../../kube/informer.ts';
import { untilInterrupted } from '../context.ts';
import { listAll, sessionNamed } from '../read.ts';
import { eventsOf } from '../views/cloudevents.ts';
import { eventLines, followLines } from '../views/event-lines.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { Context } from '../context.ts';
import type { SessionEvent } from '../views/cloudevents.ts';

export interface EventsOptions {
  follow?: boolean;
  /** Milliseconds. */
  since?: number;
}

export async function events(context: Context, name: string | undefined, { follow = false, since }: EventsOptions): Promise<void> {
  const one = name === undefined ? undefined : await sessionNamed(context, name);
  const after = since === undefined ? -Infinity : Date.now() - since;
  if (!follow) {
    const sessions = one ? [one] : await listAll(context, LABLET_SESSIONS, { namespace: context.scope });
    context.show(byTime(sessions).filter(({ at }) => Date.parse(at) >= after), eventLines);
    return;
  }
  await untilInterrupted((signal) => stream(context, one, after, signal));
}

const byTime = (sessions: readonly LabletSession[]): SessionEvent[] => sessions.flatMap(eventsOf).sort((a, b) => Date.parse(a.at) - Date.parse(b.at));

/** What there is, then what comes; each event is told once, when it is first seen. */
async function stream(context: Context, one: LabletSession | undefined, after: number, signal: AbortSignal): Promise<void> {
  const namespace = one ? one.metadata.namespace : context.scope;
  const sessions = new Informer(context.client, LABLET_SESSIONS, { namespaces: namespace === undefined ? undefined : [namespace], auditMs: 0 });
  const told = new Map<string, Set<string>>();
  const tell = (event: SessionEvent, uid: string): void => {
    const known = told.get(uid) ?? new Set();
    told.set(uid, known);
    const key = `${event.direction} ${event.type} ${event.at} ${event.direction === 'Received' ? (event.id ?? '') : ''}`;
    if (known.has(key)) return;
    known.add(key);
    if (Date.parse(event.at) >= after) context.show(event, followLines, true);
  };
  const wanted = (session: LabletSession): boolean => one === undefined || session.metadata.uid === one.metadata.uid;

  const running = sessions.start(signal);
  await sessions.waitForSync(signal);
  const there = sessions.list().filter(wanted);
  const uidOf = new Map(there.map(({ metadata: { namespace: of = '', name, uid } }) => [`${of}/${name}`, uid]));
  for (const event of byTime(there)) tell(event, uidOf.get(event.session) ?? '');
  sessions.onChange((old, next) => {
    if (next && wanted(next)) for (const event of eventsOf(next)) tell(event, next.metadata.uid);
    if (!next && old) told.delete(old.metadata.uid);
  });
  await running;
}
