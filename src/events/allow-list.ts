/** Lists of who may send: sources of events, and subjects of senders. */

/** Is `value` one of the list, in which `*` stands for any characters, none included? An empty list names nobody. */
export function isListed(list: readonly string[], value: string): boolean {
  return list.some((pattern) => patternOf(pattern).test(value));
}

function patternOf(text: string): RegExp {
  return new RegExp(`^${text.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`, 's');
}
