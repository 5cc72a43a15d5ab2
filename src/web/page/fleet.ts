/** The view of the fleet: what needs somebody, what waits, and every worker with its load and its sessions. */
import { el, keep, phaseBadge } from './dom.ts';
import { storyHref } from './text.ts';
import type { FleetView, Matter, WorkerCard } from './fleet-state.ts';
import type { Alert, Scope, Share } from './messages.ts';

/** Workers drawn at first, and more with every press of the button. */
const STEP = 60;

export interface FleetScreen {
  show(view: FleetView, scope: Scope): void;
}

/** Builds the view in `root`. */
export function fleetScreen(root: HTMLElement): FleetScreen {
  let [limit, last] = [STEP, undefined as [FleetView, Scope] | undefined];
  const phases = el('ul', { class: 'phases', 'aria-label': 'Sessions of today by phase' });
  const matters = el('ul', { class: 'matters' });
  const waiting = el('ul', { class: 'matters' });
  const mattersPart = el('section', { 'aria-labelledby': 'matters-title' }, el('h2', { id: 'matters-title' }, 'Needs somebody'), matters);
  const waitingPart = el('section', { 'aria-labelledby': 'waiting-title' }, el('h2', { id: 'waiting-title' }, 'Waits for a worker'), waiting);
  const rows = el('tbody');
  const hint = el('p', { class: 'hint' });
  const more = el('button', { type: 'button' });
  more.addEventListener('click', () => {
    limit += STEP;
    if (last) show(...last);
  });
  const head = el('tr', {}, ...['Worker', 'Phase', 'In use', 'Sessions'].map((title) => el('th', { scope: 'col' }, title)));
  root.replaceChildren(phases, mattersPart, waitingPart, el('h2', { id: 'workers-title' }, 'Workers'), hint, el('table', { class: 'workers', 'aria-labelledby': 'workers-title' }, el('thead', {}, head), rows), more);

  function show(view: FleetView, scope: Scope): void {
    last = [view, scope];
    keep(phases, view.phases, ({ phase }) => phase, ({ phase, count }) => el('li', {}, phaseBadge(phase), ' ', count));
    keep(matters, view.matters.slice(0, STEP), (matter) => `${matter.name} ${matter.reason}`, matterItem);
    keep(waiting, view.waiting.slice(0, STEP), ({ name }) => name, matterItem);
    mattersPart.hidden = view.matters.length === 0;
    waitingPart.hidden = view.waiting.length === 0;
    keep(rows, view.cards.slice(0, limit), ({ worker }) => worker.name, workerLine);
    hint.textContent = hintFor(view, scope);
    hint.hidden = hint.textContent === '';
    more.hidden = view.cards.length <= limit;
    more.textContent = `Show more of ${view.cards.length} workers`;
  }
  return { show };
}

function hintFor({ cards }: FleetView, { workers }: Scope): string {
  if (!workers) return 'This token may not list Workers: what is shown of them is what the sessions say.';
  return cards.length === 0 ? 'No worker is here, or none that matches.' : '';
}

function matterItem({ session, name, level, reason, message }: Matter): HTMLElement {
  return el('li', { class: level }, session === undefined ? el('b', {}, name) : el('a', { href: storyHref(session) }, name), ' ', el('span', { class: 'reason' }, reason), ' ', message);
}

function workerLine({ worker, sessions, more }: WorkerCard): HTMLElement {
  const { name, phase, template, version, capacity, alerts } = worker;
  return el('tr', {},
    el('th', { scope: 'row' }, name, el('small', {}, [template, version && `CML ${version}`].filter(Boolean).join(' · '))),
    el('td', {}, phaseBadge(phase), ...alerts.filter(({ reason }) => reason !== phase).map(alertBadge)),
    el('td', {}, el('div', { class: 'shares' }, ...capacity.map(shareMeter))),
    el('td', {}, el('ul', { class: 'chips' }, ...sessions.map(({ key, phase: at, alarm }) => el('li', {}, el('a', { href: storyHref(key), class: `chip phase-${at}${alarm ? ' alarm' : ''}`, title: `${key}: ${at}` }, key.slice(key.indexOf('/') + 1)))),
      more > 0 ? el('li', {}, `and ${more} more`) : undefined)));
}

const alertBadge = ({ level, reason, message }: Alert): HTMLElement => el('span', { class: `badge ${level}`, title: message }, reason);

/** A meter is read out with its text; how full it is decides its colour. */
function shareMeter({ name, used, total, text }: Share): HTMLElement {
  const meter = el('meter', { min: 0, max: Math.max(total, 1), value: Math.min(used, total), low: total * 0.7, high: total * 0.9, optimum: 0, 'aria-label': `${name} in use` }, text);
  return el('label', { class: 'share', title: `${name}: ${text}` }, el('span', {}, name), meter, el('small', {}, text));
}
