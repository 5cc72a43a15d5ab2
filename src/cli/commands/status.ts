/** `kubectl lablet status`: once, or again with every change. */
import { LABLET_DEFINITIONS, LABLET_SESSIONS, WORKERS, WORKER_TEMPLATES } from '../../api/kinds.ts';
import { Informer } from '../../kube/informer.ts';
import { untilInterrupted } from '../context.ts';
import { ifAllowed, listAll } from '../read.ts';
import { fleetLines } from '../views/fleet-lines.ts';
import { fleetStatus } from '../views/fleet.ts';
import type { Context } from '../context.ts';
import type { FleetObjects } from '../views/fleet.ts';

const NO_WORKERS = 'Workers are not shown: your role is bound in a namespace, and they belong to the whole cluster. To see them: kubectl create clusterrolebinding NAME --clusterrole=lablet-view --user=YOU';
/** While nothing changes the spans of time on the screen do. Milliseconds. */
const REDRAW_EVERY = 30_000;
/** Changes within this are drawn together. */
const GATHER = 500;

export async function status(context: Context, { watch = false }: { watch?: boolean }): Promise<void> {
  const { scope } = context;
  const notes: string[] = [];
  const [sessions, definitions, workers, templates] = await Promise.all([
    listAll(context, LABLET_SESSIONS, { namespace: scope }),
    ifAllowed(listAll(context, LABLET_DEFINITIONS, { namespace: scope })),
    ifAllowed(listAll(context, WORKERS), () => notes.push(NO_WORKERS)),
    ifAllowed(listAll(context, WORKER_TEMPLATES)),
  ]);
  if (!watch) {
    context.show(fleetStatus({ sessions, definitions, workers, templates }, new Date(), scope, notes), fleetLines);
    return;
  }
  await untilInterrupted((signal) => follow(context, notes, { definitions: definitions !== undefined, workers: workers !== undefined, templates: templates !== undefined }, signal));
}

/** Caches of what the reader may see; each change is drawn, many at once as one. */
async function follow(context: Context, notes: readonly string[], may: { definitions: boolean; workers: boolean; templates: boolean }, signal: AbortSignal): Promise<void> {
  const { client, scope } = context;
  const namespaces = scope === undefined ? undefined : [scope];
  const sessions = new Informer(client, LABLET_SESSIONS, { namespaces, auditMs: 0 });
  const definitions = may.definitions ? new Informer(client, LABLET_DEFINITIONS, { namespaces, auditMs: 0 }) : undefined;
  const workers = may.workers ? new Informer(client, WORKERS, { auditMs: 0 }) : undefined;
  const templates = may.templates ? new Informer(client, WORKER_TEMPLATES, { auditMs: 0 }) : undefined;
  const caches = [sessions, definitions, workers, templates].filter((cache) => cache !== undefined);

  let timer: NodeJS.Timeout | undefined;
  const draw = (): void => {
    clearTimeout(timer);
    timer = setTimeout(draw, REDRAW_EVERY);
    const seen: FleetObjects = { sessions: sessions.list(), definitions: definitions?.list(), workers: workers?.list(), templates: templates?.list() };
    // Home, and clear what was there.
    if (context.format === 'text') process.stdout.write(process.stdout.isTTY ? '\u001b[H\u001b[2J' : '\n');
    context.show(fleetStatus(seen, new Date(), scope, notes), fleetLines, true);
  };
  const running = caches.map((cache) => cache.start(signal));
  try {
    await Promise.all(caches.map((cache) => cache.waitForSync(signal)));
    draw();
    let waiting = false;
    const soon = (): void => {
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        if (!signal.aborted) draw();
      }, GATHER);
    };
    let listening = false;
    for (const cache of caches) cache.onChange(() => { if (listening) soon(); });
    listening = true;
    await Promise.all(running);
  } finally {
    clearTimeout(timer);
  }
}
