/** Building of elements. Data becomes text or the value of an attribute, never markup: nothing here, and nothing that uses it, parses HTML. */
import { duration, localTime, utcTime } from './text.ts';

export type Child = Node | string | number | undefined;
type Attributes = Readonly<Record<string, string | number | true | undefined>>;

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element. An attribute that is undefined is left out, one that is true has no value. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value === true ? '' : String(value));
  element.append(...children.filter((child) => child !== undefined).map((child) => (typeof child === 'number' ? String(child) : child)));
  return element;
}

/** An element of index.html. @throws Error if it is not there: the files do not belong together */
export function found<T extends Element>(selector: string, type: new () => T, within: ParentNode = document): T {
  const element = within.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`there is no ${selector}`);
  return element;
}

/** A moment in the reader's zone, with UTC under the pointer. */
export const moment = (at: number, now: number): HTMLElement => el('time', { datetime: new Date(at).toISOString(), title: utcTime(at) }, localTime(at, now));

/** How long something lasted, or has lasted. */
export const lasting = (from: number, to: number): HTMLElement => el('span', { title: `${utcTime(from)} to ${utcTime(to)}` }, duration(to - from));

export const phaseBadge = (phase: string): HTMLElement => el('span', { class: `badge phase-${phase}` }, phase);

interface Kept {
  readonly version: string;
  readonly element: Element;
}
const kept = new WeakMap<Element, ReadonlyMap<string, Kept>>();

/**
 * Makes the children of `parent` those of `items`, in their order. What has not changed keeps its element, and with it
 * focus and selection; a link that had the focus gets it again after a change.
 * @param items plain data: it has changed if its JSON has
 */
export function keep<T>(parent: Element, items: readonly T[], keyOf: (item: T) => string, draw: (item: T) => Element): void {
  const before = kept.get(parent) ?? new Map<string, Kept>();
  const focused = parent.contains(document.activeElement) ? document.activeElement?.getAttribute('href') : undefined;
  const after = new Map<string, Kept>();
  for (const item of items) {
    const [key, version] = [keyOf(item), JSON.stringify(item)];
    const old = before.get(key);
    after.set(key, old?.version === version ? old : { version, element: draw(item) });
  }
  kept.set(parent, after);
  const elements = [...after.values()].map(({ element }) => element);
  for (const child of [...parent.children]) if (!elements.includes(child)) child.remove();
  elements.forEach((element, index) => {
    const there = parent.children.item(index);
    if (there !== element) parent.insertBefore(element, there);
  });
  if (focused && document.activeElement === document.body) parent.querySelector<HTMLElement | SVGAElement>(`[href="${CSS.escape(focused)}"]`)?.focus();
}
