/** `a, b, c, …`: the first `most` of the names, for a sentence that must stay short. */
export function firstNames(names: readonly string[], most = 5): string {
  return `${names.slice(0, most).join(', ')}${names.length > most ? ', …' : ''}`;
}
