/** The code of an error of the operating system (`ENOENT`, `EEXIST` …), if that is what `error` is. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
