// HEALTHCHECK of the image, for engines that have no probes: 0 if the controller is alive, 1 and the reason if it is not.
// A file of its own, since starting the whole program every half minute would cost more than the check.
const host = process.env.LISTEN_HOST || '127.0.0.1';
const url = `http://${host.includes(':') ? `[${host}]` : host}:${process.env.OPS_PORT || 8081}/healthz`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4000) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${await response.text()}`);
} catch (error) {
  console.error(error.cause?.message || error.message);
  process.exitCode = 1;
}
