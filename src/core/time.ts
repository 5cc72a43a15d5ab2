/** Instants: RFC 3339 text as it stands in objects, Date in the core. */

/** RFC 3339 in UTC with milliseconds: latencies are read off the history. */
export const toTime = (date: Date): string => date.toISOString();

/** The instant of a stored time; undefined stays undefined. */
export function fromTime(text: string): Date;
export function fromTime(text: string | undefined): Date | undefined;
export function fromTime(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}

export const plus = (date: Date, ms: number): Date => new Date(date.getTime() + ms);

/** The earlier of some instants; undefined ones do not count. */
export function earliest(...dates: (Date | undefined)[]): Date | undefined {
  let first: Date | undefined;
  for (const date of dates) if (date !== undefined && (first === undefined || date < first)) first = date;
  return first;
}

/** The later of some instants; undefined ones do not count. */
export function latest(...dates: (Date | undefined)[]): Date | undefined {
  let last: Date | undefined;
  for (const date of dates) if (date !== undefined && (last === undefined || date > last)) last = date;
  return last;
}
