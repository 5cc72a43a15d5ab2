/** Lists of who may send: sources of events, and subjects of senders. */

/** Is `value` one of the list, in which `*` stands for any characters, none included? An empty list names nobody. */
export function isListed(list: readonly string[], value: string): boolean {
  return list.some((pattern) => matches(pattern.split('*'), value));
}

/** Each part as early as it fits behind the one before; so the time is linear, whatever a sender calls itself. */
function matches([first = '', ...rest]: string[], value: string): boolean {
  const last = rest.pop();
  if (last === undefined) return value === first;
  if (!value.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = value.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return value.length - last.length >= at && value.endsWith(last);
}
