/** `kubectl lablet calendar`: reads what the calendar of the controller is made of. */
import { LABLET_DEFINITIONS, LABLET_SESSIONS, LABS, WORKERS, WORKER_TEMPLATES } from '../../api/kinds.ts';
import { ifAllowed, listAll, pinnedOf } from '../read.ts';
import { bookedOf, fleetFrom } from '../views/bookings.ts';
import { loadLines } from '../views/load-lines.ts';
import { loadByHour } from '../views/load.ts';
import type { LabletSession } from '../../api/labletsession.ts';
import type { PinnedDefinition } from '../../core/definition.ts';
import type { Context } from '../context.ts';

const NO_FLEET = 'Only sessions are counted: your role does not show Workers, so the load cannot be compared with what there is.';

export async function calendar(context: Context, { hours, from }: { hours: number; from?: Date }): Promise<void> {
  const now = new Date();
  const notes: string[] = [];
  const [workers, templates, labs] = await Promise.all([
    ifAllowed(listAll(context, WORKERS), () => notes.push(NO_FLEET)), ifAllowed(listAll(context, WORKER_TEMPLATES)), ifAllowed(listAll(context, LABS)),
  ]);
  const sessions = await sessionsFor(context, notes);
  const definitions = (await ifAllowed(listAll(context, LABLET_DEFINITIONS, { namespace: context.named ? context.scope : undefined }))) ?? [];
  const pinned = await versionsOf(context, sessions);
  const { booked, unknown } = bookedOf(sessions, (session) => pinned.get(versionKey(session)), definitions, now);
  if (unknown > 0) notes.push(`${unknown} session(s) are not counted, since their definition is not there, or cannot be read.`);
  const fleet = workers && templates && labs ? fleetFrom({ workers, templates, labs, definitions }, now) : undefined;
  context.show(loadByHour(booked, fleet, { now, from: from ?? now, hours }, notes), loadLines);
}

/** Hosts belong to all: the load of one namespace says little about them, and is shown where no more may be seen, or where -n asks for it. */
async function sessionsFor(context: Context, notes: string[]): Promise<LabletSession[]> {
  const only = (why: string): string => `Only the sessions of namespace ${context.namespace} are counted${why}; others may hold capacity too.`;
  if (context.named) notes.push(only(''));
  const all = context.named ? undefined : await ifAllowed(listAll(context, LABLET_SESSIONS), () => notes.push(only(', since your role shows no others')));
  return all ?? listAll(context, LABLET_SESSIONS, { namespace: context.namespace });
}

const versionKey = ({ metadata: { namespace = '' }, spec, status }: LabletSession): string => `${namespace}/${spec.definitionRef.name}@${status?.definitionVersion ?? ''}`;

/** Each version is read once. */
async function versionsOf(context: Context, sessions: readonly LabletSession[]): Promise<Map<string, PinnedDefinition | undefined>> {
  const examples = new Map(sessions.filter(({ status }) => status?.definitionVersion !== undefined && status.phase !== 'Terminated').map((session) => [versionKey(session), session]));
  return new Map(await Promise.all([...examples].map(async ([key, session]) => [key, await pinnedOf(context, session)] as const)));
}
