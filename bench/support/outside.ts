/**
 * Everything outside of the cluster in one process of its own, so that it takes no time from the loop that measures:
 * CML hosts, LDS, GradingEngine, and a sink that notes when each event came. One line of JSON says where they are.
 */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { startSimulatedWorld } from '../../hack/sim/world.ts';

const { values } = parseArgs({ options: { hosts: { type: 'string', default: '1' } } });

/** Arrivals as [type, source, milliseconds since the epoch]. */
let arrivals: [string, string, number][] = [];
const sink = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(arrivals));
    arrivals = [];
    return;
  }
  arrivals.push([String(request.headers['ce-type']), String(request.headers['ce-source']), Date.now()]);
  request.resume();
  request.once('end', () => response.writeHead(202).end());
});
sink.listen(0, '127.0.0.1');
await once(sink, 'listening');
const address = sink.address();

// Nobody waits for anything here, but for the candidates who never come.
const world = await startSimulatedWorld({
  cml: Number(values.hosts),
  script: { lds: [{ candidate: 'idle-*', noShow: true }, { candidate: '*', startAfter: '0s', endAfter: '0s' }], grading: [{ candidate: '*', after: '0s' }] },
});
process.stdout.write(`${JSON.stringify({ cml: world.cml.map(({ url }) => url), lds: world.lds.url, grading: world.grading.url, tokenUrl: world.grading.tokenUrl, sink: `http://127.0.0.1:${String((address as { port: number }).port)}/` })}\n`);

// The parent has ended, however it did.
process.stdin.once('end', () => process.exit(0)).resume();
