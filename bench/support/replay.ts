/** The bare loop: the calls of one recorded session again, for another session, as fast as they are answered. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'undici';
import type { LabletSession } from '../../src/api/labletsession.ts';
import type { Call, Target } from './recorder.ts';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** A call of the bare loop was refused: it would not be the same work. */
class ReplayError extends Error {
  override readonly name = 'ReplayError';
}

export interface Loop {
  readonly script: readonly Call[];
  /** The recorded session. */
  readonly uid: string;
  /** Names of it and of its Lab; each session of the loop has its own in their place, of the same length. */
  readonly names: readonly [session: string, lab: string];
  /** Ids that stay as they are: those of the definition, the namespace, … */
  readonly fixedIds: ReadonlySet<string>;
  readonly pools: Readonly<Record<Exclude<Target, 'cml'>, Pool>>;
}

/** The name that the n-th session of the loop, from 1, has in the place of a recorded one. */
export const nameInLoop = (recorded: string, index: number): string => `${recorded.slice(0, -5)}${String(index).padStart(5, '0')}`;

/** Where the labs of a session of the loop are, and how to log in there. */
export interface Host {
  readonly pool: Pool;
  readonly authorization: string;
}

/**
 * Issues the calls of the script one after the other. Ids that the servers give take the place of those that they gave
 * while recording; ids and names that the controller made up are made up anew.
 * @throws ReplayError when the API server refuses a write
 */
export async function replay({ script, names, uid, fixedIds, pools }: Loop, host: Host, session: LabletSession, index: number): Promise<void> {
  const ids = new Map([[uid, session.metadata.uid]]);
  const versions = new Map([[objectPath(session), session.metadata.resourceVersion]]);
  const renamed = names.map((name): [string, string] => [name, nameInLoop(name, index)]);
  const idOf = (old: string): string => {
    if (fixedIds.has(old)) return old;
    const id = ids.get(old) ?? randomUUID();
    ids.set(old, id);
    return id;
  };
  const translated = (text: string): string => renamed.reduce((result, [from, to]) => result.replaceAll(from, to), text.replace(UUID, idOf));

  for (const call of script) {
    const path = translated(call.path);
    const object = path.replace(/\/status(\?|$)/, '$1').split('?')[0] ?? '';
    const body = withVersion(translated(call.body), versions.get(object));
    const headers = call.target === 'cml' ? { ...call.headers, authorization: host.authorization } : call.headers;
    const pool = call.target === 'cml' ? host.pool : pools[call.target];
    const response = await pool.request({ method: call.method, path, headers, body: body === '' ? null : body });
    const answer = await response.body.text();
    if (call.target === 'kubernetes' && response.statusCode >= 300 && call.status < 300) throw new ReplayError(`${call.method} ${path}: ${response.statusCode} ${answer.slice(0, 500)}`);
    learn(call.answer, answer, ids, fixedIds);
    if (call.target !== 'kubernetes') continue;
    const { name, resourceVersion } = metadataOf(answer);
    if (resourceVersion !== undefined) versions.set(call.method === 'POST' ? `${object}/${name ?? ''}` : object, resourceVersion);
  }
}

const objectPath = ({ metadata }: LabletSession): string => `/apis/lablet.dev/v1alpha1/namespaces/${metadata.namespace ?? ''}/labletsessions/${metadata.name}`;

/** A patch is made on the version that the last answer named, as the controller makes it. */
const withVersion = (body: string, version: string | undefined): string => (version === undefined ? body : body.replace(/"resourceVersion":"\d+"/, `"resourceVersion":"${version}"`));

function metadataOf(answer: string): { name?: string; resourceVersion?: string } {
  const parsed = parsedOf(answer) as { metadata?: { name?: string; resourceVersion?: string } } | undefined;
  return parsed?.metadata ?? {};
}

/** Ids in the places of an answer where the recorded answer had others. */
function learn(recorded: string, answer: string, ids: Map<string, string>, fixedIds: ReadonlySet<string>): void {
  const before = recorded.match(UUID) ?? [];
  const now = answer.match(UUID) ?? [];
  // Answers of another shape teach nothing.
  if (before.length !== now.length) return;
  before.forEach((old, index) => {
    const id = now[index];
    if (id !== undefined && !fixedIds.has(old) && !ids.has(old)) ids.set(old, id);
  });
}

function parsedOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
