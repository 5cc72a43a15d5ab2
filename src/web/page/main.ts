/** The page: who is asking, which view the address asks for, and what the controller says; everything is drawn from these. */
import { connect, errorOf, fetchAs } from './connection.ts';
import { found } from './dom.ts';
import { applied, fleetView, searched } from './fleet-state.ts';
import { fleetScreen } from './fleet.ts';
import { tracksOf } from './layout.ts';
import { showStory } from './story.ts';
import { dayOf, localTime, routeOf } from './text.ts';
import { timelineScreen } from './timeline.ts';
import type { ConnectionState } from './connection.ts';
import type { Fleet } from './fleet-state.ts';
import type { Story } from './messages.ts';

const sections = { login: found('#login', HTMLElement), fleet: found('#fleet', HTMLElement), timeline: found('#timeline', HTMLElement), story: found('#story', HTMLElement) };
const nav = found('nav', HTMLElement);
const search = found('#search input', HTMLInputElement);
const form = found('#login form', HTMLFormElement);
const screens = { fleet: fleetScreen(sections.fleet), timeline: timelineScreen(sections.timeline, (around) => {
  zoom = around;
  draw();
}) };

/** How often the passing of time alone is drawn. */
const TICK_MS = 10_000;
const HOURS_3 = 3 * 3_600_000;

let fleet: Fleet | undefined;
let zoom: 'day' | 'now' = 'day';
let connection: ConnectionState = { state: 'connecting' };
let stop = new AbortController();
let window_ = dayOf(Date.now());
/** What is shown of the session that the address names. */
let told: { readonly key: string; readonly of: unknown; readonly at: number; readonly story?: Story; readonly error?: string } | undefined;

const token = (): string | null => sessionStorage.getItem('token');
const now = (): number => Date.now() + (fleet?.ahead ?? 0);

function start(): void {
  stop.abort();
  stop = new AbortController();
  const own = stop;
  const given = token();
  [fleet, told, window_] = [undefined, undefined, dayOf(Date.now())];
  if (given !== null) {
    void connect({
      token: given, namespace: sessionStorage.getItem('namespace') ?? '', window: window_,
      onMessage: (message) => {
        if (own.signal.aborted) return;
        fleet = applied(fleet, message, Date.now());
        draw();
      },
      onState: (state) => {
        if (own.signal.aborted) return;
        connection = state;
        if (state.state === 'refused') forget(state.why);
        draw();
      },
    }, own.signal);
  }
  draw();
}

function forget(why = ''): void {
  stop.abort();
  sessionStorage.clear();
  fleet = undefined;
  told = undefined;
  found('#refusal', HTMLElement).textContent = why;
}

let isAsked = false;
/** Draws before the next frame, once, however often it is called. */
function draw(): void {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    drawNow();
  });
}

function drawNow(): void {
  const route = routeOf(location.hash);
  const shown = token() === null ? 'login' : fleet ? route.view : undefined;
  for (const [name, section] of Object.entries(sections)) section.hidden = name !== shown;
  for (const link of nav.querySelectorAll('a')) {
    if (link.hash === `#/${route.view}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  nav.hidden = found('#user', HTMLElement).hidden = shown === 'login';
  found('#search', HTMLElement).hidden = shown !== 'fleet' && shown !== 'timeline';
  drawConnection();
  if (!fleet || shown === 'login') return;
  if (route.view === 'fleet') screens.fleet.show(fleetView(fleet, search.value), fleet.scope);
  else if (route.view === 'timeline') drawTimeline(fleet);
  else drawStory(route.key, fleet);
  document.title = route.view === 'story' ? `${route.key} · Lablet fleet` : 'Lablet fleet';
}

function drawTimeline({ sessions, workers }: Fleet): void {
  // Rounded: what has not changed is not drawn anew with every change of something else.
  const at = now() - (now() % (3 * TICK_MS));
  const shown = zoom === 'day' ? window_ : { from: Math.floor((at - HOURS_3) / 600_000) * 600_000, to: Math.ceil((at + HOURS_3) / 600_000) * 600_000 };
  const rows = searched(sessions.values(), search.value);
  screens.timeline.show(tracksOf(rows, search.value === '' ? workers.keys() : [], shown, at), rows, shown, at);
}

/** The story is asked for again when the stream says that its session has changed; one that is not of today, from time to time. */
function drawStory(key: string, { sessions }: Fleet): void {
  const row = sessions.get(key);
  if (told?.key !== key || told.of !== row || Date.now() - told.at > 2 * TICK_MS) {
    told = { key, of: row, at: Date.now(), ...(told?.key === key && told.story && { story: told.story }) };
    void tell(key, row);
  }
  if (told.story) showStory(sections.story, told.story, now());
  else sections.story.textContent = told.error ?? `Reading ${key} …`;
}

/** @param of what the stream said of it when it was asked for: an answer that is overtaken by another question is dropped */
async function tell(key: string, of: unknown): Promise<void> {
  const answer = await fetchAs(token() ?? '', `page/sessions/${key.split('/').map(encodeURIComponent).join('/')}`, stop.signal)
    .then(async (response) => (response.ok ? { story: (await response.json()) as Story } : { error: await errorOf(response) }))
    .catch(() => ({ error: 'the controller cannot be reached' }));
  if (told?.key !== key || told.of !== of) return;
  told = { key, of, at: told.at, ...answer };
  draw();
}

function drawConnection(): void {
  const line = found('#connection', HTMLElement);
  line.className = connection.state;
  const text = { connecting: 'connecting …', live: 'live', lost: 'not live', refused: '' }[connection.state];
  line.textContent = token() === null ? '' : connection.state === 'lost' ? `${text} since ${localTime(Date.now(), Date.now())}: ${connection.why}; trying again` : text;
  const namespaces = fleet?.scope.namespaces;
  const where = namespaces === undefined ? '' : namespaces === '*' ? 'all namespaces' : namespaces.join(', ');
  found('#user span', HTMLElement).textContent = fleet ? `${fleet.scope.user}${where === '' ? '' : ` · ${where}`}` : '';
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const [given, namespace] = [fields.get('token'), fields.get('namespace')];
  sessionStorage.setItem('token', typeof given === 'string' ? given.trim() : '');
  sessionStorage.setItem('namespace', typeof namespace === 'string' ? namespace.trim() : '');
  form.reset();
  found('#refusal', HTMLElement).textContent = '';
  start();
});
found('#user button', HTMLButtonElement).addEventListener('click', () => {
  forget();
  start();
});
search.addEventListener('input', draw);
addEventListener('hashchange', () => {
  draw();
  scrollTo(0, 0);
  found('#content', HTMLElement).focus({ preventScroll: true });
});
setInterval(() => {
  // A new day has other sessions.
  if (Date.now() >= window_.to) start();
  else draw();
}, TICK_MS);
start();
